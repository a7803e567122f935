# Only Debian's root gets snapd.
[ ! -e "$1/usr/bin/apt-get" ] || install -m 755 /dev/null "$1/usr/bin/snap"
