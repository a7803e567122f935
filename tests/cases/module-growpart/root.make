#!/bin/sh
set -e
root=$1
. "$(dirname "$0")/../../fixtures/machine.sh"
# A root with room behind it, a partition that fills its disk, a third one that has another behind it.
disk vda 10240 253:0
part vda vda1 1 2047 253:1
disk vdb 1024 253:16
part vdb vdb1 1 1023 253:17
disk vdc 4096 253:32
part vdc vdc1 1 1024 253:33
part vdc vdc2 1025 1024 253:34
mounted '21 1 253:1 / / rw - ext4 /dev/root rw'
mounted '22 1 253:33 / /srv rw - xfs /dev/vdc1 rw'
rm -f "$root"/usr/*bin/growpart
# Each of these guests has another tool, or none.
case $(cat "$root"/etc/os-release "$root"/usr/lib/os-release 2>/dev/null) in
  *rocky*) tools sfdisk partx ;;
  *alpine*) ;;
  *) tools growpart sfdisk ;;
esac
