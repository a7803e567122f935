#!/bin/sh
# COMMAND... -- [PACKAGE...]
#
# All packages at once; where that fails, each by itself, so that one that nobody knows keeps no other out. What became
# of each goes to a file beside this one, a line "ENTRY EXIT UPTIME" for each, and one before them all.
command=
while [ "$1" != -- ]; do
    command="$command $1"
    shift
done
shift

# Zypper's 102 and 103: done, and something is to be started anew.
run() {
    "$@"
    case $? in
    0 | 102 | 103) return 0 ;;
    *) return 1 ;;
    esac
}

# What an earlier run was stopped in.
if command -v dpkg >/dev/null; then
    dpkg --force-confold --configure -a
fi

if [ $# = 0 ]; then
    # Another program may hold the lists, a mirror may be slow to wake.
    for pause in 5 15 30; do
        run $command && exit 0
        sleep $pause
    done
    run $command
    exit
fi

told() {
    read -r uptime _ </proc/uptime
    echo "$1 $2 $uptime" >>"$0.progress"
}

told 0 0
run $command "$@" && all=yes || all=
number=0
for package in "$@"; do
    number=$((number + 1))
    [ "$all" ] || run $command "$package"
    code=$?
    [ $code = 0 ] || echo "firstlight: entry $number, $package, was not installed" >&2
    told $number $code
done
