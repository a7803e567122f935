# As after a loss of power.
mkdir -p "$1/var/lib/firstlight/instances/i-1/seed"
: > "$1/var/lib/firstlight/instances/i-1/seed/index.json"
ln -s /var/lib/firstlight/instances/i-1 "$1/var/lib/firstlight/instance"
