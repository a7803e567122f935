set -e
PATH=$PATH:/usr/sbin:/sbin
seed=$(mktemp -d)
trap 'rm -rf "$seed"' EXIT
printf 'local-hostname: fat\n' > "$seed/meta-data"
: > "$seed/user-data"
printf '{"version": 1, "config": [{"type": "physical", "name": "eth0", "mac_address": "52:54:00:00:00:01", "subnets": [{"type": "static", "address": "192.0.2.10/24", "gateway": "192.0.2.1"}]}]}\n' > "$seed/network-config"
truncate -s 128K "$1"
mkfs.vfat -n cidata "$1" > /dev/null 2>&1
mcopy -i "$1" "$seed/meta-data" "$seed/user-data" "$seed/network-config" ::
