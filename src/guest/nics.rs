// SPDX-License-Identifier: Apache-2.0
//! Network interfaces, and the moment from which their names are final.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::guest::text;
use crate::root::{Root, Tree as _};

const CLASS: &str = "/sys/class/net";
/// The longest wait for drivers and udev.
const TIMEOUT: &str = "--timeout=10";
/// How long udev is asked again.
const AT_LEAST: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Nic {
    pub name: String,
    /// Lower case, colons: six bytes, of `InfiniBand` twenty. Its own, also while it is in a bond, where it goes by that
    /// of the bond.
    pub mac: String,
}

/// The interfaces once those with `macs` are there under their final names; at the latest when udev has had nothing to do
/// for a while, or after ten seconds.
///
/// Early in the boot a card has no driver yet, or is still called `eth0` until udev has renamed it, and what is written
/// for that name would be for nobody. An interface that is absent costs the two seconds once for an instance.
pub fn settled(root: &Root, macs: &[String]) -> Result<Option<Vec<Nic>>> {
    let complete = |nics: &Option<Vec<Nic>>| {
        macs.iter().all(|mac| nics.iter().flatten().any(|nic| nic.mac == *mac && is_named(nic, root)))
    };
    let begun = Instant::now();
    loop {
        let settle = Command::new("udevadm").args(["settle", TIMEOUT]).stderr(Stdio::null()).spawn();
        let over = match settle {
            // Just after the events were asked for udev may not know of them, and settles for nothing.
            Ok(settle) => ended(settle, || read(root).is_ok_and(|nics| complete(&nics))) && begun.elapsed() > AT_LEAST,
            // Without udev nobody gives other names.
            Err(_) => true,
        };
        let nics = read(root)?;
        if over || complete(&nics) {
            log::debug!("network interfaces after {:?}: {nics:?}", begun.elapsed());
            return Ok(nics);
        }
        sleep(POLL);
    }
}

/// Waits for a program's end, or until it is `unneeded`; whether it ended by itself.
fn ended(mut program: Child, unneeded: impl Fn() -> bool) -> bool {
    loop {
        match program.try_wait() {
            Ok(None) if unneeded() => {
                // It may just have ended.
                let _ = program.kill();
                let _ = program.wait();
                return false;
            }
            Ok(None) => sleep(POLL),
            _ => return true,
        }
    }
}

/// Whether udev is done with it and it has the name that udev chose; without udev the kernel's name stays.
fn is_named(nic: &Nic, root: &Root) -> bool {
    if !root.exists("/run/udev/control".as_ref()) {
        return true;
    }
    let index = text(root, &format!("{CLASS}/{}/ifindex", nic.name)).unwrap_or_default();
    let Some(record) = text(root, &format!("/run/udev/data/n{}", index.trim())) else { return false };
    let chosen = record.lines().find_map(|line| line.strip_prefix("E:ID_NET_NAME="));
    record.lines().any(|line| line.starts_with("I:")) && chosen.is_none_or(|name| name == nic.name)
}

/// The interfaces that a platform can mean by a MAC: Ethernet or `InfiniBand`, and not made by the guest out of others.
pub fn read(root: &Root) -> Result<Option<Vec<Nic>>> {
    if !root.exists(Path::new(CLASS)) {
        return Ok(None);
    }
    let mut nics = Vec::new();
    for name in root.list(Path::new(CLASS))? {
        let attribute = |path: &str| text(root, &format!("{CLASS}/{name}/{path}")).unwrap_or_default();
        let address = |path: &str| attribute(path).trim().to_ascii_lowercase();
        let exists = |path: &str| root.exists(Path::new(&format!("{CLASS}/{name}/{path}")));
        let uevent = attribute("uevent");
        let kind = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
        let made = matches!(kind, Some("bridge" | "bond" | "vlan" | "vxlan" | "macvlan" | "geneve" | "gre"))
            || exists("tun_flags");
        let mac = address("address");
        // One half of a pair that goes by the name of its master: an SR-IOV function and its stand-in.
        let half = !exists("bonding_slave") && !exists("brport") && address("master/address") == mac;
        let own = address("bonding_slave/perm_hwaddr");
        let mac = if own.is_empty() { mac } else { own };
        if is_mac(&mac) && !made && !half {
            nics.push(Nic { name, mac });
        }
    }
    Ok(Some(nics))
}

/// Six bytes that are not all zero, as the loopback's are; or the twenty of `InfiniBand`.
fn is_mac(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(text.split(':').count(), 6 | 20) && text.split(':').all(byte) && text != "00:00:00:00:00:00"
}
