set -e
drive=$(mktemp -d)
mkdir -p "$drive/openstack/latest"
trap 'rm -rf "$drive"' EXIT
echo '{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa", "name": "vm1", "hostname": "vm1.novalocal"}' > "$drive"/openstack/latest/meta_data.json
genisoimage -quiet -J -r -V config-2 -o "$1.whole" "$drive" 2>/dev/null
head -c 40000 "$1.whole" > "$1"
