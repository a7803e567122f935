// SPDX-License-Identifier: Apache-2.0
//! Every path of the agent's own on disk; nothing else knows one.
//!
//! All are absolute paths of the guest, to be looked up beneath a [`Root`](crate::root::Root).

use std::path::PathBuf;

/// The image's own settings.
pub const SETTINGS: &str = "/etc/firstlight/config.yaml";
/// More settings, in the order of their names; later ones win.
pub const SETTINGS_DIR: &str = "/etc/firstlight/config.d";
/// Where an image's builder may leave a NoCloud seed.
pub const IMAGE_SEED: &str = "/etc/firstlight/seed";
/// Switches the agent off where it exists.
pub const DISABLED: &str = "/etc/firstlight/disabled";

/// What this boot leaves; gone with the next.
pub const RUN: &str = "/run/firstlight";
/// What happened, for programs: stages, steps, findings.
pub const STATUS: &str = "/run/firstlight/status.json";
/// The last lines of what the steps' programs printed, which may be secret (0600).
pub const TAILS: &str = "/run/firstlight/output.json";
/// The outcome, there only when the final stage has ended.
pub const RESULT: &str = "/run/firstlight/result.json";
/// Instance data for `query` and templates, without secrets, for everyone.
pub const INSTANCE_DATA: &str = "/run/firstlight/instance-data.json";
/// The same with its secrets, and with the merged configuration (0600).
pub const SENSITIVE_DATA: &str = "/run/firstlight/instance-data-sensitive.json";
/// Properties of the instance as an environment file for other units.
pub const METADATA: &str = "/run/firstlight/metadata";
/// Held by whatever is changing the machine.
pub const LOCK: &str = "/run/firstlight/lock";
/// Held by the bootstrap loop, of which there is one.
pub const BOOTSTRAP_LOCK: &str = "/run/firstlight/bootstrap.lock";
/// What was done in this boot (see `JOURNAL` for the instance's).
pub const BOOT_JOURNAL: &str = "/run/firstlight/journal";

/// The instance of this boot: later stages work for it without looking for it again.
pub const BOOT_INSTANCE: &str = "/run/firstlight/instance-id";
/// There while the search for the configuration goes on when the network is up.
pub const SEARCH: &str = "/run/firstlight/search";
/// One empty file for each later stage (and `bootstrap`) that has work in this boot: path units wait for them.
pub const WANTED: &str = "/run/firstlight/wanted";

/// What outlives a boot.
pub const VAR: &str = "/var/lib/firstlight";
/// Links to the current instance's directory.
pub const INSTANCE: &str = "/var/lib/firstlight/instance";
/// What was done once for ever on this disk, whichever the instance.
pub const ONCE_JOURNAL: &str = "/var/lib/firstlight/journal";

/// How the bootstrap script went so far: tries, last output, success (0600).
pub const BOOTSTRAP: &str = "/var/lib/firstlight/bootstrap.json";
/// Where the bootstrap script and its counters are, unless the settings say otherwise.
pub const BOOTSTRAP_DIR: &str = "/root/bootstrap";
/// What the bootstrap script printed, unless the settings say otherwise.
pub const BOOTSTRAP_LOG: &str = "/var/log/vm-bootstrap.log";

/// The log.
pub const LOG: &str = "/var/log/firstlight.log";
/// What commands printed.
pub const OUTPUT: &str = "/var/log/firstlight-output.log";

/// The directory of one instance. The id is the platform's word, so nothing but plain characters reach the path.
pub fn instance(id: &str) -> PathBuf {
    let safe: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.:".contains(c) { c } else { '_' }).collect();
    let safe = if safe.chars().all(|c| c == '.') { safe.replace('.', "_") + "_" } else { safe };
    PathBuf::from(VAR).join("instances").join(safe)
}

/// The seed of an instance as it was fetched (0600).
pub fn seed(id: &str) -> PathBuf {
    instance(id).join("seed")
}

/// Documents that an instance's user-data names, as they were fetched (0600).
pub fn includes(id: &str) -> PathBuf {
    instance(id).join("includes")
}

/// The uuid of the machine that an instance was last configured on.
pub fn machine(id: &str) -> PathBuf {
    instance(id).join("machine")
}

/// What was done for an instance.
pub fn journal(id: &str) -> PathBuf {
    instance(id).join("journal")
}

/// Scripts of an instance's user-data (0700).
pub fn scripts(id: &str) -> PathBuf {
    instance(id).join("scripts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_cannot_leave_its_directory() {
        let parent = PathBuf::from("/var/lib/firstlight/instances");
        for id in ["../../etc", "..", ".", "", "a/b", "i-0\n1"] {
            let path = instance(id);
            assert_eq!(path.parent(), Some(parent.as_path()), "{id:?}");
            assert_ne!(path.file_name().and_then(std::ffi::OsStr::to_str), Some(".."), "{id:?}");
        }
    }
}
