head -c 400000 /dev/zero > "$1"
