#!/bin/sh
set -e
root=$1
. "$(dirname "$0")/../../fixtures/machine.sh"
tools fallocate
case $(cat "$root"/etc/os-release "$root"/usr/lib/os-release 2>/dev/null) in
  *rocky*) mounted '21 1 253:1 / / rw - xfs /dev/vda1 rw' ;;
  *) mounted '21 1 253:1 / / rw - ext4 /dev/vda1 rw' ;;
esac
