set -e
seed=$(mktemp -d)
trap 'rm -rf "$seed"' EXIT
printf 'instance-id: iid-web-1\nlocal-hostname: web-1.example\npublic-keys:\n- ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me\nrack: r7\n' > "$seed/meta-data"
printf '#cloud-config\ntimezone: Europe/Lisbon\nruncmd:\n- touch /it-ran\n' > "$seed/user-data"
printf '#cloud-config\ntimezone: UTC\nlocale: C.UTF-8\n' > "$seed/vendor-data"
genisoimage -quiet -volid cidata -joliet -rock -o "$1" "$seed" 2>/dev/null
