# Pipes, and a document with an error in each of its parts.
mkdir -p "$1/drive/openstack/latest"
mkfifo "$1/pipe" "$1/drive/openstack/latest/user_data"
echo '{"uuid": "i-1"}' > "$1/drive/openstack/latest/meta_data.json"
: > "$1/drive.img"
printf '#cloud-config\nhostname: a b\nwrite_files:\n  - content: x\nrunncmd: []\n' > "$1/two.yaml"
