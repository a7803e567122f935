#!/bin/sh
set -e
root=$1
. "$(dirname "$0")/../../fixtures/machine.sh"
tools sfdisk wipefs
[ ! -e "$root/usr/lib/systemd/systemd" ] || tools udevadm
for name in b c d e f g i; do disk "vd$name" 4096 "253:$name"; done
# The one is as asked for, another holds a file system, and two a table of the old kind.
holds vdg 512 'EFI PART'
part vdg vdg1 1 4095 253:97
holds vdd 65600 '_BHRfS_M'
for name in e f; do
  holds vd$name 510 '\125\252'
  part vd$name vd${name}1 1 4095 253:9$name
done
