// SPDX-License-Identifier: Apache-2.0
//! The one command in files of interfaces(5) that is ours: it is written there, and passed over where it is read.

/// Waits a second at most for the carrier of an interface that is up.
pub(super) const COMMAND: &str = "for i in 1 2 3 4 5 6 7 8 9 10; do grep -Eq '^(up|unknown)' \
     /sys/class/net/$IFACE/operstate && break; sleep 0.1; done; ip link set dev $IFACE up";
