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
/// Hyper-V's own driver.
const SYNTHETIC: &str = "hv_netvsc";

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nic {
    /// As the kernel has it now.
    pub name: String,
    /// Lower case, colons: six bytes, of `InfiniBand` twenty. Its own, also while it is in a bond, where it goes by that
    /// of the bond.
    pub mac: String,
    /// The kernel's driver (`virtio_net`); empty where there is none.
    pub driver: String,
    /// Whether there is a cable with something at its other end; `None` while it is down, when the kernel can't tell.
    pub carrier: Option<bool>,
    /// The kernel's word on its state (RFC 2863): `up`, `down`, `dormant`, `unknown`, …
    pub operstate: String,
    /// Whether it belongs to a device, not to the kernel alone (as veth and dummy do).
    pub hardware: bool,
    /// Whether it is `InfiniBand`.
    pub infiniband: bool,
    /// Whether other interfaces have its MAC, or will, that are not for the guest to configure: a match by MAC alone
    /// would mean them too.
    pub has_twin: bool,
}

/// The interfaces once they are as `wanted`, of which the first argument is those under their final names and the second
/// all; at the latest when udev has had nothing to do for a while, or after ten seconds.
///
/// Early in the boot a card has no driver yet, or is still called `eth0` until udev has renamed it, and what is written
/// for that name would be for nobody. An interface that is absent costs the two seconds once for an instance.
pub fn settled(root: &Root, wanted: &dyn Fn(&[Nic], &[Nic]) -> bool) -> Result<Option<Vec<Nic>>> {
    let complete = |nics: &Option<Vec<Nic>>| {
        let all = nics.as_deref().unwrap_or_default();
        let named: Vec<Nic> = all.iter().filter(|nic| is_named(nic, root)).cloned().collect();
        wanted(&named, all)
    };
    let begun = Instant::now();
    let mut over = false;
    loop {
        let nics = read(root)?;
        if over || complete(&nics) {
            log::debug!("network interfaces after {:?}: {nics:?}", begun.elapsed());
            return Ok(nics);
        }
        sleep(POLL);
        let settle = Command::new("udevadm").args(["settle", TIMEOUT]).stderr(Stdio::null()).spawn();
        over = match settle {
            // Just after the events were asked for udev may not know of them, and settles for nothing.
            Ok(settle) => ended(settle, || read(root).is_ok_and(|nics| complete(&nics))) && begun.elapsed() > AT_LEAST,
            // Without udev nobody gives other names.
            Err(_) => true,
        };
    }
}

/// Devices that are network cards: where the kernel lists them, and the file and how it begins that tell them.
const CARDS: [(&str, &str, &str); 4] = [
    ("/sys/bus/pci/devices", "class", "0x02"),
    ("/sys/bus/virtio/devices", "device", "0x0001"),
    ("/sys/bus/vmbus/devices", "class_id", "{f8615163-"),
    ("/sys/bus/xen/devices", "devtype", "vif"),
];

/// Whether a card is there of which no driver has made an interface yet. Where there is none, nobody need wait for one.
pub fn is_one_to_come(root: &Root) -> bool {
    let has_interface = |device: &str| {
        let below = root.list(Path::new(device)).unwrap_or_default();
        let net = |name: &String| name == "net" || root.exists(Path::new(&format!("{device}/{name}/net")));
        below.iter().filter(|name| *name == "net" || name.starts_with("virtio")).any(net)
    };
    CARDS.iter().any(|(bus, file, beginning)| {
        let devices = root.list(Path::new(bus)).unwrap_or_default().into_iter().map(|name| format!("{bus}/{name}"));
        let mut cards = devices
            .filter(|card| text(root, &format!("{card}/{file}")).is_some_and(|text| text.starts_with(beginning)));
        cards.any(|card| !has_interface(&card))
    })
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
pub fn is_named(nic: &Nic, root: &Root) -> bool {
    if !root.exists("/run/udev/control".as_ref()) {
        return true;
    }
    let index = text(root, &format!("{CLASS}/{}/ifindex", nic.name)).unwrap_or_default();
    let Some(record) = text(root, &format!("/run/udev/data/n{}", index.trim())) else { return false };
    let chosen = record.lines().find_map(|line| line.strip_prefix("E:ID_NET_NAME="));
    record.lines().any(|line| line.starts_with("I:")) && chosen.is_none_or(|name| name == nic.name)
}

/// The interfaces that a platform can mean by a MAC: hardware or made for the guest from outside, and not made by the guest
/// out of others. Of a failover pair (see [`in_failover`]) the one that the guest shall configure is there alone.
pub fn read(root: &Root) -> Result<Option<Vec<Nic>>> {
    if !root.exists(Path::new(CLASS)) {
        return Ok(None);
    }
    let nics = root.list(Path::new(CLASS))?.into_iter().filter_map(|name| nic(root, name));
    Ok(Some(without_twins(nics.collect())))
}

fn nic(root: &Root, name: String) -> Option<Nic> {
    let read = |file: &str| text(root, &format!("{CLASS}/{name}/{file}")).unwrap_or_default().trim().to_owned();
    let exists = |file: &str| root.exists(Path::new(&format!("{CLASS}/{name}/{file}")));
    let uevent = read("uevent");
    let kind = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
    let made = matches!(kind, Some("bridge" | "bond" | "vlan" | "vxlan" | "macvlan" | "geneve" | "gre" | "vrf"));
    let own = Some(read("bonding_slave/perm_hwaddr")).filter(|own| !own.is_empty());
    let mac = own.unwrap_or_else(|| read("address")).to_ascii_lowercase();
    let master = linked(root, &name, "master");
    if made || exists("tun_flags") || !is_mac(&mac) || master.is_some_and(|master| in_failover(root, &name, &master)) {
        return None;
    }
    let carrier = match read("carrier").as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    };
    let driver = driver(root, &name);
    Some(Nic {
        carrier,
        operstate: read("operstate"),
        hardware: exists("device"),
        infiniband: read("type") == "32",
        // Hyper-V plugs and unplugs the accelerated card as it likes.
        has_twin: driver == SYNTHETIC || stands_by(root, &name),
        name,
        mac,
        driver,
    })
}

/// The last part of where a link in an interface's directory points.
fn linked(root: &Root, name: &str, link: &str) -> Option<String> {
    let target = root.read_link(Path::new(&format!("{CLASS}/{name}/{link}"))).ok()??;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

fn driver(root: &Root, name: &str) -> String {
    linked(root, name, "device/driver").unwrap_or_default()
}

/// Whether its master stands for it and its MAC: virtio's failover makes three interfaces with one MAC (the kernel's
/// Documentation/networking/net_failover.rst), of which only the master is the guest's to configure.
fn in_failover(root: &Root, name: &str, master: &str) -> bool {
    stands_by(root, name) || stands_by(root, master)
}

/// Whether it offers `VIRTIO_NET_F_STANDBY`.
fn stands_by(root: &Root, name: &str) -> bool {
    let features = text(root, &format!("{CLASS}/{name}/device/features")).unwrap_or_default();
    driver(root, name) == "virtio_net" && features.as_bytes().get(62) == Some(&b'1')
}

/// Without the twin that Hyper-V gives to each accelerated card: it has the same MAC, and its traffic goes through the
/// synthetic one, which alone is configured.
fn without_twins(mut nics: Vec<Nic>) -> Vec<Nic> {
    let synthetic: Vec<String> = nics.iter().filter(|nic| nic.driver == SYNTHETIC).map(|nic| nic.mac.clone()).collect();
    nics.retain(|nic| nic.driver == SYNTHETIC || !synthetic.contains(&nic.mac));
    nics
}

/// Six bytes that are not all zero, as the loopback's are; or the twenty of `InfiniBand`.
fn is_mac(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(text.split(':').count(), 6 | 20) && text.split(':').all(byte) && text != "00:00:00:00:00:00"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::symlink;

    /// An interface of a machine: its address, and files and links in its directory.
    fn interface(scratch: &Scratch, name: &str, address: &str, files: &[(&str, &str)], links: &[(&str, &str)]) {
        scratch.file(&format!("{CLASS}/{name}/address"), &format!("{address}\n"));
        for (path, text) in files {
            scratch.file(&format!("{CLASS}/{name}/{path}"), &format!("{text}\n"));
        }
        for (link, target) in links {
            let path = scratch.path(&format!("{CLASS}/{name}/{link}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
    }

    fn found(scratch: &Scratch) -> Vec<Nic> {
        read(&scratch.root()).unwrap().unwrap()
    }

    fn names(scratch: &Scratch) -> Vec<String> {
        found(scratch).into_iter().map(|nic| nic.name).collect()
    }

    const MAC: &str = "52:54:00:00:00:01";

    #[test]
    fn a_card_without_a_driver_is_to_come() {
        let scratch = Scratch::new();
        scratch.file("/sys/bus/pci/devices/0000:00:01.0/class", "0x010000\n");
        assert!(!is_one_to_come(&scratch.root()), "a disk");
        scratch.file("/sys/bus/pci/devices/0000:00:03.0/class", "0x020000\n");
        assert!(is_one_to_come(&scratch.root()));
        scratch.file("/sys/bus/pci/devices/0000:00:03.0/virtio2/net/ens3/address", MAC);
        assert!(!is_one_to_come(&scratch.root()));
        scratch.file("/sys/bus/virtio/devices/virtio0/device", "0x0001\n");
        assert!(is_one_to_come(&scratch.root()), "without PCI");
        scratch.file("/sys/bus/virtio/devices/virtio0/net/eth0/address", MAC);
        assert!(!is_one_to_come(&scratch.root()));
    }

    #[test]
    fn what_the_kernel_knows_of_an_interface_is_told() {
        let scratch = Scratch::new();
        let driver = [("device/driver", "../../../bus/virtio/drivers/virtio_net")];
        interface(&scratch, "ens3", "52:54:00:00:00:0A", &[("carrier", "1"), ("operstate", "up")], &driver);
        interface(
            &scratch,
            "ens4",
            MAC,
            &[("operstate", "down"), ("bonding_slave/perm_hwaddr", "52:54:00:00:00:0B")],
            &[],
        );
        interface(&scratch, "br0", MAC, &[("uevent", "DEVTYPE=bridge")], &[]);
        interface(&scratch, "tap0", MAC, &[("tun_flags", "0x1002")], &[]);
        interface(&scratch, "lo", "00:00:00:00:00:00", &[], &[]);
        let [first, member] = found(&scratch).try_into().unwrap();
        assert_eq!(
            (first.mac.as_str(), first.driver.as_str(), first.carrier),
            ("52:54:00:00:00:0a", "virtio_net", Some(true))
        );
        assert!(first.operstate == "up" && first.hardware && !member.hardware);
        assert_eq!((member.carrier, member.operstate.as_str()), (None, "down"));
        assert_eq!(member.mac, "52:54:00:00:00:0b", "a bond's address is not its member's");
    }

    #[test]
    fn infiniband_has_twenty_bytes() {
        let scratch = Scratch::new();
        let address = "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:31:78:f2";
        interface(&scratch, "ib0", address, &[("type", "32")], &[]);
        interface(&scratch, "ib1", "80:00:02", &[("type", "32")], &[]);
        let [nic] = found(&scratch).try_into().unwrap();
        assert!(nic.infiniband && nic.mac == address, "{nic:?}");
    }

    #[test]
    fn of_a_failover_pair_one_is_configured() {
        let scratch = Scratch::new();
        let features = format!("{}1{}", "0".repeat(62), "0");
        let virtio = ("device/driver", "../../../bus/virtio/drivers/virtio_net");
        let features = [("device/features", features.as_str())];
        interface(&scratch, "ens3", MAC, &features, &[virtio]);
        interface(&scratch, "ens3nsby", MAC, &features, &[virtio, ("master", "../ens3")]);
        interface(&scratch, "ens4", MAC, &[], &[("device/driver", "../drivers/mlx5_core"), ("master", "../ens3")]);
        assert_eq!(names(&scratch), ["ens3"]);
        assert!(found(&scratch)[0].has_twin);
    }

    #[test]
    fn the_twin_of_a_synthetic_card_is_left_to_it() {
        let scratch = Scratch::new();
        interface(&scratch, "enP1s1", MAC, &[], &[("device/driver", "../drivers/mlx5_core")]);
        interface(&scratch, "eth0", MAC, &[], &[("device/driver", "../drivers/hv_netvsc")]);
        interface(&scratch, "eth1", "52:54:00:00:00:02", &[], &[]);
        assert_eq!(names(&scratch), ["eth0", "eth1"]);
    }
}
