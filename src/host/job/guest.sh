#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the job of `firstlight-host bake --job` in a guest and tells the host how it ended.
#
# It is the guest's user-data, for every agent that runs scripts of user-data and every POSIX shell (dash, busybox, bash).
# What it meets comes from the host, as virtio devices:
#   disk fl-input                 a tar: control/ (script, environment, outputs) and input/, where the job runs
#   disk fl-results               empty; gets a tar of the results, from its first byte on
#   port org.firstlight.job       JSON lines to the host: that the job starts, and how it ended
#   port org.firstlight.job.log   what the job and the tools here print
# Without ports the console takes both; a report has the port's name in front there.

set -u
# For tests: the directory that stands for /.
root=${FIRSTLIGHT_JOB_ROOT-}
home=$root/var/lib/firstlight-job
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin
export PATH HOME="${HOME:-/root}"
prefix=''

report() {
  printf '%s%s\n' "$prefix" "$1" >&4
}

# Before the job: no results, and the reason in one word.
refuse() {
  report "{\"state\":\"refused\",\"why\":\"$1\"}"
  exit 1
}

# port NAME: the device of a virtio-serial port.
port() {
  for file in "$root"/sys/class/virtio-ports/*/name; do
    if read -r name 2>/dev/null < "$file" && [ "$name" = "$1" ]; then
      directory=${file%/name}
      printf '%s\n' "$root/dev/${directory##*/}"
      return
    fi
  done
  return 1
}

# disk SERIAL: the device of a virtio disk. The kernel ends a serial number without a newline, which read calls a failure.
disk() {
  for file in "$root"/sys/block/*/serial; do
    name=''
    read -r name 2>/dev/null < "$file" || :
    if [ "$name" = "$1" ]; then
      directory=${file%/serial}
      printf '%s\n' "$root/dev/${directory##*/}"
      return
    fi
  done
  return 1
}

# Where udev has not been, or is late. Ports appear a moment after their driver.
if ! port org.firstlight.job > /dev/null; then
  modprobe virtio_console 2>/dev/null
  tries=0
  until port org.firstlight.job > /dev/null || [ "$tries" -ge 5 ]; do
    tries=$((tries + 1))
    sleep 1
  done
fi
modprobe virtio_blk 2>/dev/null

if device=$(port org.firstlight.job) && [ -w "$device" ]; then
  exec 4> "$device"
else
  # On a line of its own, also where what the job printed last has no end.
  prefix='
org.firstlight.job '
  exec 4>> "$root/dev/console"
fi
if device=$(port org.firstlight.job.log) && [ -w "$device" ]; then
  exec 3> "$device"
  log=port
else
  exec 3>> "$root/dev/console"
  log=console
fi

for tool in tar tee wc mkfifo sha256sum sync; do
  command -v "$tool" > /dev/null || refuse "no-$tool"
done
input=$(disk fl-input) || refuse no-input
results=$(disk fl-results) || refuse no-results
rm -rf "$home"
mkdir -p "$home/output" || refuse unpack
# As root's files, whoever owns them on the host.
tar -xof "$input" -C "$home" 2>&3 || refuse unpack

report "{\"state\":\"started\",\"log\":\"$log\"}"
(
  exec 4>&-
  # As the script's words: its variables may have the names of those here.
  set -- "$home/input" "$home/output" "$home/control/script" "$home/control/environment"
  set -a
  . "$4"
  JOB_DIR=$1 JOB_OUTPUT=$2
  set +a
  cd "$1" && exec "$3"
) < /dev/null >&3 2>&3
code=$?
if [ "$code" -ne 0 ]; then
  report "{\"state\":\"ended\",\"exit\":$code}"
  exit "$code"
fi

# What was asked for, as paths below /. All of it must be there; what is missing is told by its line.
set --
line=0 missing=''
while IFS= read -r path; do
  line=$((line + 1))
  if [ -e "$root/$path" ]; then set -- "$@" "./$path"; else missing=$missing${missing:+,}$line; fi
done < "$home/control/outputs"
if [ -n "$missing" ]; then
  report "{\"state\":\"ended\",\"exit\":0,\"missing\":[$missing]}"
  exit 1
fi

# Holes stay holes where tar knows them. One pass: to the disk, into the digest and, by a pipe, into the count of bytes.
sparse=''
tar --help 2>&1 | grep -q -e --sparse && sparse='-S --format=gnu'
mkfifo "$home/bytes" || refuse unpack
wc -c < "$home/bytes" > "$home/size" &
{
  # shellcheck disable=SC2086  # words of an option list
  LC_ALL=C tar -c $sparse -f - -C "$root/" "$@" 2>&3
  printf '%s\n' $? > "$home/tar"
} | {
  LC_ALL=C tee "$results" "$home/bytes" 2>&3
  printf '%s\n' $? > "$home/tee"
} | sha256sum > "$home/digest"
wait
read -r tar < "$home/tar"
read -r tee < "$home/tee"
read -r size < "$home/size"
read -r digest _ < "$home/digest"
# Before the report: the host reads the disk as soon as it comes.
sync
report "{\"state\":\"ended\",\"exit\":0,\"tar\":$tar,\"disk\":$tee,\"size\":$size,\"sha256\":\"$digest\"}"
[ "$tar" -eq 0 ] && [ "$tee" -eq 0 ]
