chmod 600 "$1/var/lib/firstlight/bootstrap.json"
