set -e
seed=$(mktemp -d)
trap 'rm -rf "$seed"' EXIT
printf 'instance-id: i-1\n' > "$seed/meta-data"
head -c 100000 /dev/zero | tr '\0' '#' > "$seed/user-data"
genisoimage -quiet -volid cidata -joliet -rock -o "$1" "$seed" 2>/dev/null
truncate -s -350K "$1"
