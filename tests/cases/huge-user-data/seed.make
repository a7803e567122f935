# A sparse file takes no room.
mkdir -p "$1/openstack/latest"
echo '{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa", "name": "vm1", "hostname": "vm1.novalocal"}' > "$1/openstack/latest/meta_data.json"
truncate -s 1G "$1/openstack/latest/user_data"
