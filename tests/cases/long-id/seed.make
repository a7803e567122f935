# 256 characters, one too many.
mkdir -p "$1/openstack/latest"
printf '{"uuid": "%0256d"}' 0 > "$1/openstack/latest/meta_data.json"
