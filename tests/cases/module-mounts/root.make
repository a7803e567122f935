#!/bin/sh
set -e
root=$1
. "$(dirname "$0")/../../fixtures/machine.sh"
for name in b c d e; do disk "vd$name" 4096 "253:$name"; done
part vdc vdc1 1 4095 253:91
mkdir -p "$root/srv/files"
chmod 750 "$root/srv/files"
printf '# static\n/dev/vda1\t/\text4\tdefaults\t0\t1\n/dev/vdx /old auto defaults,comment=cloudconfig 0 2\n' > "$root/etc/fstab"
