# A file is in the way of what is to be remembered, as a full or read-only disk would be.
mkdir -p "$1/var/lib/firstlight"
touch "$1/var/lib/firstlight/instances"
