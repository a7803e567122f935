set -e
cd "$1"
mkdir -p var/lib/cloud/scripts/per-boot var/lib/cloud/scripts/per-once
printf '#!/bin/sh\necho of the image\n' > var/lib/cloud/scripts/per-boot/10-image
cp var/lib/cloud/scripts/per-boot/10-image var/lib/cloud/scripts/per-boot/boot.sh
cp var/lib/cloud/scripts/per-boot/10-image var/lib/cloud/scripts/per-once/setup
chmod 755 var/lib/cloud/scripts/per-*/*
echo 'what is here' > var/lib/cloud/scripts/per-boot/README
chmod 644 var/lib/cloud/scripts/per-boot/README
