// SPDX-License-Identifier: Apache-2.0
//! What the host is told, where it listens: the status, at each change, as a line of JSON on a virtio-serial port. Who boots
//! an image then needs neither a login nor a guess to know whether it came up.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::libc::{O_NOCTTY, O_NONBLOCK};

use crate::report::console::write_patiently;

/// The port's name: `-device virtserialport,name=…` of QEMU, `<target type='virtio' name='…'/>` of libvirt.
pub const NAME: &str = "org.firstlight.report";

/// How long a port is waited for whose driver is still being loaded, before the last word; and a full one, by each line.
const PATIENCE: Duration = Duration::from_secs(3);

/// Writes the pretty-printed `json` as one line, if there is such a port. Nobody is told where that fails: it is a copy.
pub fn tell(json: &str, is_last: bool) {
    let end = Instant::now() + PATIENCE;
    let port = loop {
        let port = find("/sys".as_ref());
        let may_come = is_last && port.is_none() && is_expected("/sys".as_ref());
        if !may_come || Instant::now() > end {
            break port;
        }
        sleep(Duration::from_millis(50));
    };
    let Some(port) = port else { return };
    let opened = OpenOptions::new().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(port);
    let _ = opened.and_then(|port| write_patiently(port, line(json).as_bytes(), PATIENCE));
}

/// A string holds no line end, so what is pretty is one line without them.
fn line(json: &str) -> String {
    json.lines().map(str::trim_start).collect::<String>() + "\n"
}

/// The device of the port, by the kernel's word: udev's link comes later, and not everywhere.
fn find(sys: &Path) -> Option<PathBuf> {
    let ports = fs::read_dir(sys.join("class/virtio-ports")).ok()?;
    let named =
        |port: &fs::DirEntry| fs::read(port.path().join("name")).is_ok_and(|name| name.trim_ascii() == NAME.as_bytes());
    ports.flatten().find(named).map(|port| Path::new("/dev").join(port.file_name()))
}

/// Whether the machine has a virtio console (device 3) whose ports are not known yet.
fn is_expected(sys: &Path) -> bool {
    let has_entries = |path: &str| fs::read_dir(sys.join(path)).is_ok_and(|mut entries| entries.next().is_some());
    let consoles = fs::read_dir(sys.join("bus/virtio/devices")).into_iter().flatten().flatten();
    let mut kinds = consoles.filter_map(|device| fs::read(device.path().join("device")).ok());
    !has_entries("class/virtio-ports") && kinds.any(|kind| kind.trim_ascii() == b"0x0003")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_known_by_its_name_and_expected_where_its_driver_is_missing() {
        let sys = tempfile::tempdir().unwrap();
        assert!(find(sys.path()).is_none() && !is_expected(sys.path()));
        let write = |path: &str, text: &str| {
            fs::create_dir_all(sys.path().join(path).parent().unwrap()).unwrap();
            fs::write(sys.path().join(path), text).unwrap();
        };
        write("bus/virtio/devices/virtio0/device", "0x0001\n");
        assert!(!is_expected(sys.path()));
        write("bus/virtio/devices/virtio1/device", "0x0003\n");
        assert!(is_expected(sys.path()));
        write("class/virtio-ports/vport1p1/name", "org.qemu.guest_agent.0\n");
        assert!(find(sys.path()).is_none() && !is_expected(sys.path()), "the ports are known, and ours is not one");
        write("class/virtio-ports/vport1p2/name", "org.firstlight.report\n");
        assert_eq!(find(sys.path()), Some("/dev/vport1p2".into()));
    }

    #[test]
    fn what_is_pretty_becomes_one_line_of_the_same_value() {
        let value = serde_json::json!({"status": "done", "findings": [{"message": "  two\nlines  "}], "none": {}});
        let line = line(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}
