set -e
seed=$(mktemp -d)
trap 'rm -rf "$seed"' EXIT
echo '{"instance-id": "i-plain", "local-hostname": "plain"}' > "$seed/meta-data"
printf '#cloud-config\ntimezone: Europe/Lisbon\n' > "$seed/user-data"
printf 'version: 2\nethernets:\n  eth0:\n    match: {macaddress: "fa:16:3e:01:02:03"}\n    addresses: [192.0.2.10/24]\n' > "$seed/network-config"
# Neither Rock Ridge nor Joliet: META_DAT.;1 and so on.
genisoimage -quiet -V CIDATA -o "$1" "$seed" 2>/dev/null
