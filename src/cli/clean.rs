// SPDX-License-Identifier: Apache-2.0
//! `firstlight clean`: make an image pristine again before it is published.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::boot;
use crate::bootstrap::Bootstrap;
use crate::cli::{Common, print};
use crate::error::{At, OrAbsent, Result};
use crate::finding::Severity;
use crate::root::{Root, Tree as _};
use crate::state;

/// Forget every instance, so that the next boot is a first boot again
///
/// What was configured (users, files, network) stays. Run it before an image is published or cloned.
#[derive(Args)]
pub struct Arguments {
    /// Also the logs
    #[arg(long)]
    logs: bool,
    /// Also the machine id, so that each clone gets its own
    #[arg(long)]
    machine_id: bool,
    /// Also the count and the success of the bootstrap script
    #[arg(long)]
    bootstrap: bool,
    /// Say what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        let root = &options.root;
        let mut paths = vec![Path::new(state::RUN).to_owned(), Path::new(state::VAR).join("instances")];
        paths.extend([state::INSTANCE, state::ONCE_JOURNAL].map(Into::into));
        if self.logs {
            paths.extend([state::LOG, state::OUTPUT].map(Into::into));
        }
        if self.bootstrap {
            let (settings, findings) = boot::settings_of_instance(&options)?;
            // Whatever is wrong with the rest, what they say of the loop's files counts.
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            errors.for_each(|finding| eprintln!("firstlight: {finding}"));
            paths.extend(Bootstrap::from_settings(&settings).leftovers());
        }
        let mut removed = 0;
        for path in paths {
            let place = place(root, &path)?;
            if fs::symlink_metadata(&place).at("look at", &place).or_absent()?.is_none() {
                continue;
            }
            if !self.dry_run {
                remove(&place).at("remove", &place).or_absent()?;
            }
            removed += 1;
            print(&format!("{} {}\n", if self.dry_run { "would remove" } else { "removed" }, path.display()))?;
        }
        if self.machine_id {
            // Empty and not missing: so systemd makes a new one at boot, on a read-only root too (machine-id(5)).
            let path = root.join(Path::new("/etc/machine-id"));
            if !self.dry_run {
                fs::write(&path, "").at("empty", &path)?;
                let copy = root.join(Path::new("/var/lib/dbus/machine-id"));
                if copy.is_file() && !copy.is_symlink() {
                    fs::remove_file(&copy).at("remove", &copy)?;
                }
            }
            print(if self.dry_run { "would empty /etc/machine-id\n" } else { "emptied /etc/machine-id\n" })?;
            removed += 1;
        }
        if removed == 0 { print("nothing to remove\n") } else { Ok(ExitCode::SUCCESS) }
    }
}

/// Where a path of the guest is, its last link kept: a link on the way, which an image may have, stays beneath the root.
fn place(root: &Root, path: &Path) -> Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(root.join(&root.resolve(parent)?.join(name))),
        _ => Ok(root.join(path)),
    }
}

/// A link itself, never what it points at.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_the_image_does_not_lead_out_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
        let place = |path: &str| place(&root, Path::new(path)).unwrap();
        assert_eq!(place("/link/passwd"), root.path().join("etc/passwd"));
        assert_eq!(place("/link"), root.path().join("link"));
    }
}
