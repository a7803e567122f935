set -e
PATH=$PATH:/usr/sbin:/sbin
seed=$(mktemp -d)
trap 'rm -rf "$seed"' EXIT
printf 'local-hostname: fat\n' > "$seed/meta-data"
: > "$seed/user-data"
printf '{"version": 1, "config": [{"type": "physical", "name": "ens3", "mac_address": "fa:16:3e:01:02:03", "subnets": [{"type": "static", "address": "192.0.2.10/24", "gateway": "192.0.2.1"}]}]}\n' > "$seed/network-config"
truncate -s 128K "$1"
mkfs.vfat -n cidata "$1" > /dev/null 2>&1
mcopy -i "$1" "$seed/meta-data" "$seed/user-data" "$seed/network-config" ::
