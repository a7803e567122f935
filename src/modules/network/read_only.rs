// SPDX-License-Identifier: Apache-2.0
//! A container whose kernel settings cannot be written: `/proc/sys` is mounted read-only there.
//!
//! Whoever runs the container has decided on them. To fail with each in every boot would make that boot a degraded one,
//! and nobody could mend it from within; so they are left out, and said.

use crate::finding::{Finding, Findings};
use crate::guest::Guest;
use crate::network::render::kernel::{Change, Task};

const SETTINGS: &str = "/proc/sys/net/ipv6/conf";

/// `changes` without those that nobody here could make.
pub fn without_settings(mut changes: Vec<Change>, guest: &Guest, findings: &mut Findings) -> Vec<Change> {
    if !guest.read_text("/proc/self/mounts").is_some_and(|mounts| is_read_only(&mounts)) {
        return changes;
    }
    changes.retain(|change| {
        let Task::Ipv6 { name, key, value } = &change.task else { return true };
        let now = guest.read_text(&format!("{SETTINGS}/{name}/{key}"));
        if now.is_some_and(|now| now.trim() == value.to_string()) {
            return true;
        }
        let text = format!("`{key}={value}` of {name} is left out: this container's /proc/sys is read-only");
        findings.push(Finding::note(&change.origin, text).help("whoever starts the container may set it"));
        false
    });
    changes
}

/// Whether the mount that the settings are on may not be written: the innermost, of several the last.
fn is_read_only(mounts: &str) -> bool {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (point, options) = (words.next()?, words.nth(1)?);
        let rest = SETTINGS.strip_prefix(point)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((point.len(), options))
    });
    mounts.max_by_key(|(depth, _)| *depth).is_some_and(|(_, options)| options.split(',').any(|word| word == "ro"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::modules::network::tests::{guest, scratch};

    #[test]
    fn the_innermost_mount_says_whether_a_setting_can_be_written() {
        let (proc, locked) = ("proc /proc proc rw,nosuid 0 0\n", "proc /proc/sys proc ro,nosuid 0 0\n");
        assert!(!is_read_only(proc) && !is_read_only(""));
        assert!(is_read_only(&[proc, locked].concat()));
        assert!(!is_read_only(&[proc, locked, "proc /proc/sys/net proc rw,nosuid 0 0\n"].concat()));
        assert!(!is_read_only(&[proc, "proc /proc/sys/ne proc ro 0 0\n"].concat()));
    }

    #[test]
    fn what_cannot_be_written_is_said_and_the_rest_is_made() {
        let scratch = scratch(&[]);
        scratch.file("/proc/self/mounts", "proc /proc/sys proc ro 0 0\n");
        scratch.file("/proc/sys/net/ipv6/conf/eth0/use_tempaddr", "0\n");
        let change = |task| Change { task, origin: Origin::document("d") };
        let set = |key| change(Task::Ipv6 { name: "eth0".to_owned(), key, value: 0 });
        let up = change(Task::Up { name: "eth0".to_owned() });
        let mut findings = Findings::default();
        let changes = vec![set("accept_ra"), set("use_tempaddr"), up.clone()];
        let left = without_settings(changes, &guest(&scratch), &mut findings);
        assert_eq!(left, [set("use_tempaddr"), up]);
        assert_eq!(findings.iter().count(), 1);
    }
}
