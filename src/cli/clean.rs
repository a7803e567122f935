// SPDX-License-Identifier: Apache-2.0
//! `firstlight clean`: make an image pristine again before it is published.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::apply::run_lock;
use crate::boot::{self, Options};
use crate::bootstrap::{self, Bootstrap};
use crate::cli::{Common, print, tell};
use crate::datasource::{config_drive, nocloud};
use crate::error::Result;
use crate::finding::Severity;
use crate::root::{Root, Tree as _};
use crate::state;

/// One for each machine, made at its first boot; see machine-id(5).
const MACHINE_ID: &str = "/etc/machine-id";
/// A copy on older systems; on newer ones a link.
const MACHINE_ID_COPY: &str = "/var/lib/dbus/machine-id";

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
    /// Also configuration that lies in the image itself (/config-drive, /etc/firstlight/seed, /var/lib/cloud/seed)
    #[arg(long)]
    seed: bool,
    /// Say what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// How something goes. A whole directory only where it is the agent's own: a setting may name any place for a file.
type Remove = fn(&Root, &Path) -> Result<()>;

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        let root = &options.root;
        let mut paths = Vec::new();
        for (path, remove) in self.paths(&options)? {
            if root.stat(&path)?.is_some() || root.read_link(&path)?.is_some() {
                paths.push((path, remove));
            }
        }
        if self.dry_run {
            if self.machine_id {
                print(&format!("would empty {MACHINE_ID}\n"))?;
            }
            for (path, _) in &paths {
                print(&format!("would remove {}\n", path.display()))?;
            }
        } else if !paths.is_empty() || self.machine_id {
            self.clean(root, &paths)?;
        }
        if paths.is_empty() && !self.machine_id { print("nothing to remove\n") } else { Ok(ExitCode::SUCCESS) }
    }

    fn paths(&self, options: &Options) -> Result<Vec<(PathBuf, Remove)>> {
        let mut files: Vec<PathBuf> = [state::INSTANCE, state::ONCE_JOURNAL].map(Into::into).into();
        if self.logs {
            files.extend([state::LOG, state::OUTPUT].map(Into::into));
        }
        if self.bootstrap {
            let (settings, findings) = boot::settings_of_instance(options)?;
            // Whatever is wrong with the rest, what they say of the loop's files counts.
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            errors.for_each(|finding| tell(&format!("firstlight: {finding}")));
            files.extend(Bootstrap::from_settings(&settings).leftovers());
        }
        let mut paths: Vec<(PathBuf, Remove)> = vec![(Path::new(state::VAR).join("instances"), Root::remove_tree)];
        if self.seed {
            let directories = config_drive::DIRECTORIES.iter().chain(&nocloud::DIRECTORIES);
            paths.extend(directories.map(|directory| (directory.into(), Root::remove_tree as Remove)));
        }
        paths.extend(files.into_iter().map(|file| (file, Root::remove as Remove)));
        // Last, as the locks are in it: without them another run could begin.
        paths.push((state::RUN.into(), Root::remove_tree));
        Ok(paths)
    }

    /// Waits for a run, and refuses while a bootstrap script is at work: either would write again what is removed.
    fn clean(&self, root: &Root, paths: &[(PathBuf, Remove)]) -> Result<()> {
        let _locks = (run_lock::take(root)?, bootstrap::lock::take(root)?);
        if self.machine_id {
            // Empty and not missing: so systemd makes a new one at boot, on a read-only root too (machine-id(5)).
            let mode = root.stat(MACHINE_ID.as_ref())?.map_or(0o444, |stat| stat.mode);
            root.write(MACHINE_ID.as_ref(), b"", mode)?;
            if root.read_link(MACHINE_ID_COPY.as_ref())?.is_none() {
                root.remove(MACHINE_ID_COPY.as_ref())?;
            }
            print(&format!("emptied {MACHINE_ID}\n"))?;
        }
        for (path, remove) in paths {
            remove(root, path)?;
            print(&format!("removed {}\n", path.display()))?;
        }
        // Where it was not there before the locks were taken.
        root.remove_tree(state::RUN.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn nothing_goes_while_the_bootstrap_is_at_work_and_then_all_does() {
        let scratch = Scratch::new();
        scratch.file("/var/lib/firstlight/instances/i-1/seed/index.json", "");
        let root = scratch.root();
        let common = Common { root: root.path().to_owned(), source: None, config: None, verbose: 0 };
        let clean = Arguments { logs: false, machine_id: false, bootstrap: false, seed: false, dry_run: false };
        let held = bootstrap::lock::take(&root).unwrap();
        let refused = clean.exec(&common).unwrap_err().to_string();
        assert!(refused.contains("another bootstrap is at work"), "{refused}");
        assert_eq!(root.list(Path::new("/var/lib/firstlight/instances")).unwrap(), ["i-1"]);
        drop(held);
        clean.exec(&common).unwrap();
        for directory in ["/var/lib/firstlight", "/run"] {
            assert!(root.list(Path::new(directory)).unwrap().is_empty(), "{directory}");
        }
    }
}
