# Seen from outside, the links lead beside the root, where there is something to spoil; within it, to its own /outside.
mkdir -p "$1/var" "$1/outside/log" "$1"/../outside/{log,run/firstlight,lib/firstlight/instances/i-1}
ln -s ../outside/run "$1/run"
ln -s ../../outside/lib "$1/var/lib"
ln -s ../../outside/log "$1/var/log"
ln -s ../../outside/machine-id "$1/etc/machine-id"
