set -e
drive=$(mktemp -d)
trap 'rm -rf "$drive"' EXIT
mkdir -p "$drive/openstack/latest" "$drive/openstack/2018-08-27"
echo '{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa", "name": "vm1", "hostname": "vm1.novalocal"}' | tee "$drive/openstack/latest/meta_data.json" > "$drive/openstack/2018-08-27/meta_data.json"
printf '#cloud-config\ntimezone: Europe/Lisbon\n' | gzip -n > "$drive/openstack/2018-08-27/user_data"
genisoimage -quiet -ldots -allow-lowercase -allow-multidot -l -publisher test -J -r -V config-2 -o "$1" "$drive" 2>/dev/null
