#!/bin/sh
set -e
root=$1
. "$(dirname "$0")/../../fixtures/machine.sh"
# The partition was grown before: a file system of 1 GiB on 10.
disk vda 10240 253:0
part vda vda1 1 10239 253:1
case $(cat "$root"/etc/os-release "$root"/usr/lib/os-release 2>/dev/null) in
  *rocky*)
    mounted '21 1 253:1 / / rw - xfs /dev/vda1 rw'
    holds vda1 0 'XFSB\000\000\020\000\000\000\000\000\000\004\000\000'
    tools xfs_growfs
    ;;
  *)
    mounted '21 1 253:1 / / rw - ext4 /dev/root rw'
    holds vda1 1028 '\000\000\004\000'
    holds vda1 1048 '\002'
    holds vda1 1080 '\123\357'
    tools resize2fs
    ;;
esac
