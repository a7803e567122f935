#!/bin/sh
# Whether a package asks for a reboot, by each distribution's own sign; then in a minute, when the agent has ended.
needed() {
    for sign in /run/reboot-required /var/run/reboot-required /run/reboot-needed; do
        [ ! -e $sign ] || return 0
    done
    command -v needs-restarting >/dev/null && ! needs-restarting -r
}
needed || exit 0
echo 'firstlight: a reboot, as a package asks for it'
if [ -d /run/systemd/system ]; then
    exec shutdown -r +1 'a reboot, as a package asks for it'
fi
(sleep 60; reboot) </dev/null >/dev/null 2>&1 &
