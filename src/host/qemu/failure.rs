// SPDX-License-Identifier: Apache-2.0
//! Why QEMU did not start: its complaint in words for a person.

use std::process::ExitStatus;

use super::Machine;
use crate::error::Error;

/// Lines of its complaint that are shown.
const SHOWN: usize = 5;

/// What QEMU's complaint at the start means.
pub fn at_start(machine: &Machine, status: ExitStatus, complaint: &str) -> Error {
    let quoted = |mark: &str| {
        let (_, after) = complaint.split_once(mark)?;
        Some(after.split(['\'', '"', ']']).next().unwrap_or_default().to_owned())
    };
    if complaint.contains("lock") && complaint.contains("Is another process using the image") {
        let image = quoted("using the image [").unwrap_or_default();
        return Error::fatal(format!("{image} is in use by another process"))
            .help("switch off the guest that runs from it; a base that overlays share may be read, not written");
    }
    if let Some(image) = quoted("Could not open '") {
        let why = complaint.trim().rsplit(": ").next().unwrap_or_default();
        return Error::fatal(format!("QEMU cannot open {image}: {why}"));
    }
    if complaint.contains("Image is not in") {
        let text = complaint.lines().find(|line| line.contains("Image is not in")).unwrap_or_default();
        return Error::malformed(format!("a disk of {} is not what it should be: {text}", machine.name));
    }
    if complaint.contains("cannot set up guest memory") || complaint.contains("Cannot allocate memory") {
        return Error::fatal(format!("this machine has no {} MiB of memory for the guest", machine.memory_mib))
            .help("give it less with --memory");
    }
    if complaint.contains("failed to get mtu") || complaint.contains("bridge helper failed") {
        return Error::fatal(format!("QEMU can't use that bridge: {}", last_lines(complaint)))
            .help("the bridge must exist and be allowed in /etc/qemu/bridge.conf; --network user needs neither");
    }
    Error::fatal(format!("QEMU did not start ({status}): {}", last_lines(complaint)))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.iter().skip(lines.len().saturating_sub(SHOWN)).copied().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(complaint: &str) -> String {
        let machine = Machine { name: "one".to_owned(), memory_mib: 512, ..Machine::default() };
        at_start(&machine, ExitStatus::default(), complaint).to_string()
    }

    #[test]
    fn known_complaints_become_advice() {
        let locked = "qemu-system-x86_64: -device virtio-blk-pci,drive=disk0: Failed to get \"write\" lock\n\
                      Is another process using the image [/srv/a.img]?";
        assert!(said(locked).starts_with("/srv/a.img is in use by another process\n    help: "), "{}", said(locked));
        let absent = "qemu-system-x86_64: -blockdev {}: Could not open '/srv/b': No such file or directory";
        assert_eq!(said(absent), "QEMU cannot open /srv/b: No such file or directory");
        assert!(
            said("qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory").contains("512 MiB")
        );
        assert!(said("something\nnew\n").contains("something; new"));
    }
}
