#!/bin/sh
set -e
root=$1
. "$(dirname "$0")/../../fixtures/machine.sh"
tools sfdisk mkfs.ext4 mkfs.xfs mkswap
[ ! -e "$root/usr/lib/systemd/systemd" ] || tools udevadm
for name in b c d e f g; do disk "vd$name" 4096 "253:$name"; done
holds vdc 4086 'SWAPSPACE2'
holds vdd 510 '\125\252'
part vdd vdd1 1 4095 253:91
holds vdd1 0 'XFSB'
holds vde 510 '\125\252'
part vde vde1 1 4095 253:92
holds vde1 3 'NTFS    '
