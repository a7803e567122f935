set -e
PATH=$PATH:/usr/sbin:/sbin
drive=$(mktemp -d)
trap 'rm -rf "$drive"' EXIT
mkdir -p "$drive/openstack/latest"
echo '{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa", "name": "vm1", "hostname": "vm1.novalocal"}' > "$drive/openstack/latest/meta_data.json"
truncate -s 4M "$1"
mkfs.vfat -n CONFIG-2 "$1" > /dev/null
mcopy -s -i "$1" "$drive/openstack" ::
