// SPDX-License-Identifier: Apache-2.0
//! What is changed: the live system or an image's root; and how each change is made on it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::syncfs;

use crate::apply::{interfaces, lock};
use crate::error::{At as _, OrAbsent as _, Result};
use crate::host_key::Kind;
use crate::plan::action::{Action, Command};
use crate::plan::change::Change;
use crate::plan::day::Day;
use crate::plan::expand::changes;
use crate::root::{Last, Links, Place, Root, Tree as _, files};

/// Runs a program that a step asks for.
pub type Runner<'a> = &'a mut dyn FnMut(&Command) -> Result<()>;

/// A tree to be changed.
#[derive(Debug)]
pub struct Target {
    root: Root,
    /// Whether files are given to their owners: an ordinary user cannot, and everything it makes is its own.
    owners: bool,
    /// A directory on each file system that was changed, by its device.
    changed: RefCell<BTreeMap<u64, Arc<OwnedFd>>>,
    /// How long devices are still waited for.
    patience: Cell<Duration>,
}

/// How long all steps together wait for devices: far less than the stage may last.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

impl Target {
    /// `root` as what is changed.
    pub fn new(root: Root) -> Self {
        let owners = root.owners();
        if !owners {
            log::debug!("not root: whatever is made in {} belongs to you", root.path().display());
        }
        Self { root, owners, changed: RefCell::default(), patience: Cell::new(PATIENCE) }
    }

    /// The tree.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Does what `action` comes to, and says what that was: nothing where the tree was already as it asks.
    ///
    /// On the live system the accounts' lock is held while they are looked at and changed. Nothing is synced: see `sync`.
    pub fn perform(&self, action: &Action, today: Day, run: Runner) -> Result<Vec<Change>> {
        let accounts = matches!(action, Action::Group(_) | Action::User(_) | Action::Password(_));
        let _lock = match accounts && self.root.is_live() {
            true => Some(lock::accounts(&self.root, lock::PATIENCE)?),
            false => None,
        };
        let changes = changes(action, &self.root, today)?;
        let relabel = relabel(&self.root, &changes).filter(|_| self.root.is_live());
        changes.iter().try_for_each(|change| self.execute(change, run))?;
        if let Some(relabel) = relabel {
            run(&relabel)?;
        }
        Ok(changes)
    }

    /// Makes one change. Errors say the path; nothing is left half-made.
    pub fn execute(&self, change: &Change, run: Runner) -> Result<()> {
        match change {
            Change::File { path, content, mode, uid, gid, .. } => {
                let attributes = self.attributes(*mode, *uid, *gid);
                files::file(&self.place(path, Last::Follow)?, path, content, attributes, false)
            }
            Change::Directory { path, mode, uid, gid } => {
                files::directory(&self.place(path, Last::Follow)?, path, self.attributes(*mode, *uid, *gid))
            }
            Change::Link { path, target } => files::link(&self.place(path, Last::Keep)?, path, target),
            Change::Remove { path } => match self.place(path, Last::Keep).or_absent()? {
                Some(place) => files::remove(&place, path),
                None => Ok(()),
            },
            Change::Hostname(name) if self.root.is_live() => {
                nix::unistd::sethostname(name).at("name the machine", Path::new(name))
            }
            Change::Interfaces { asked, .. } if self.root.is_live() => interfaces::make(asked, &self.root),
            // Written bytes are mixed in and counted for nothing, which is right for what a host could know.
            Change::Entropy(bytes) if self.root.is_live() => {
                let pool = Path::new("/dev/urandom");
                let mut file = OpenOptions::new().write(true).open(pool).at("open", pool)?;
                file.write_all(bytes).at("write", pool)
            }
            Change::HostKey { kind, path, mode, gid } => self.host_key(*kind, path, *mode, *gid),
            Change::Run(command) => {
                if self.is_needed(command)? {
                    run(command)?;
                }
                Ok(())
            }
            // What is said, asked of a server, and what comes at the end, is the worker's.
            _ => Ok(()),
        }
    }

    /// What a command's guard says. A device that is absent may only be late: all steps together wait for [`PATIENCE`].
    fn is_needed(&self, command: &Command) -> Result<bool> {
        let Some(guard) = &command.guard else { return Ok(true) };
        loop {
            match guard(&self.root) {
                Err(error) if error.is_absent() && self.patience.get() > POLL => {
                    self.patience.set(self.patience.get() - POLL);
                    sleep(POLL);
                }
                verdict => return verdict,
            }
        }
    }

    /// The public half first: sshd counts a pair as there by its private one.
    fn host_key(&self, kind: Kind, path: &Path, mode: u32, gid: u32) -> Result<()> {
        let key = kind.make()?;
        let public = path.with_extension("pub");
        for (path, content, mode, gid) in [(&*public, key.public, 0o644, 0), (path, key.private, mode, gid)] {
            let attributes = self.attributes(mode, 0, gid);
            files::file(&self.place(path, Last::Follow)?, path, content.as_bytes(), attributes, false)?;
        }
        Ok(())
    }

    fn place(&self, path: &Path, last: Last) -> Result<Place> {
        let place = self.root.open_parent(path, last, Links::Trusted)?;
        let device = fstat(&*place.directory).at("look at", path)?.st_dev;
        self.changed.borrow_mut().entry(device).or_insert_with(|| place.directory.clone());
        Ok(place)
    }

    fn attributes(&self, mode: u32, uid: u32, gid: u32) -> files::Attributes {
        files::Attributes { mode, owner: self.owners.then_some((uid, gid)) }
    }

    /// Puts what was changed on the disk, one file system after the other: cheaper than file by file. The builder of an
    /// image does that for the whole image.
    pub fn sync(&self) -> Result<()> {
        let changed = self.changed.take();
        if self.root.is_live() {
            for directory in changed.values() {
                // The directory itself is open as a place only.
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let open = openat(&**directory, ".", flags, Mode::empty());
                open.and_then(syncfs).at("sync the disk of", self.root.path())?;
            }
        }
        Ok(())
    }
}

/// What gives new files the labels that the policy names, asked before they are made; `None` where SELinux is off or
/// nothing is new. What replaces a file carries that one's label; the kernel's own choice for a new file is its
/// directory's label, which is not what a new home's `.ssh` needs.
fn relabel(root: &Root, changes: &[Change]) -> Option<Command> {
    const RESTORECON: &str = "/usr/sbin/restorecon";
    if !root.exists(Path::new("/sys/fs/selinux/enforce")) || !root.exists(Path::new(RESTORECON)) {
        return None;
    }
    let new = changes.iter().filter_map(|change| match change {
        Change::File { path, old: None, .. } | Change::Link { path, .. } => Some(path),
        Change::Directory { path, .. } if !root.exists(path) => Some(path),
        _ => None,
    });
    let new: Vec<String> = new.map(|path| path.to_string_lossy().into_owned()).collect();
    (!new.is_empty()).then(|| Command::tool([RESTORECON, "--"].map(str::to_owned).into_iter().chain(new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::plan::action::{AuthorizedKeys, Owner, Password, User, Write};
    use crate::plan::change::Old;
    use crate::scratch::Scratch;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn done(scratch: &Scratch, action: &Action) -> Vec<Change> {
        Target::new(scratch.root()).perform(action, Day(20000), &mut |_| Ok(())).unwrap()
    }

    fn file(path: &str, content: &str) -> Change {
        let (path, content) = (path.into(), content.into());
        Change::File { path, content, old: None, mode: 0o640, uid: 0, gid: 0, secret: false }
    }

    fn make(scratch: &Scratch, change: &Change) -> Result<()> {
        Target::new(scratch.root()).execute(change, &mut |_| Ok(()))
    }

    /// All names beneath the scratch directory.
    fn names(scratch: &Scratch, path: &str) -> Vec<String> {
        scratch.root().list(Path::new(path)).unwrap()
    }

    #[test]
    fn what_is_planned_is_made_and_then_nothing_is_left() {
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        scratch.file("/etc/group", "root:x:0:\n");
        scratch.file("/etc/skel/.profile", "PATH=/bin\n");
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIjVaEtuyUvEVxqoWFrcRNLQZWmq1lYJGMHl4xoVBKrp".to_owned();
        let name = || "joe".to_owned();
        let actions = [
            Action::User(User { name: name(), ..User::default() }),
            Action::Password(Password { user: name(), hash: Some("$6$a$b".into()), ..Password::default() }),
            Action::AuthorizedKeys(AuthorizedKeys { user: name(), keys: vec![key.clone()] }),
            Action::Write(Write::new("/home/joe/.config/app/rc", "x").mode(0o400).owner(Owner::Named(name(), name()))),
            Action::Directory { path: "/srv/data".into(), mode: 0o1777, owner: Owner::Root },
            Action::Link { path: "/etc/alternatives/x".into(), target: "/usr/bin/y".into() },
            Action::Remove { path: "/etc/skel/.profile".into() },
        ];
        for action in &actions {
            assert!(!done(&scratch, action).is_empty(), "{action:?}");
        }
        for action in &actions {
            assert!(done(&scratch, action).is_empty(), "again: {action:?}");
        }
        assert_eq!(scratch.text("/home/joe/.ssh/authorized_keys"), format!("{key}\n"));
        assert_eq!(scratch.text("/home/joe/.profile"), "PATH=/bin\n");
        assert_eq!(scratch.text("/etc/shadow"), "joe:$6$a$b:20000:0:99999:7:::\n");
        assert_eq!(names(&scratch, "/etc/skel"), [""; 0]);
        for (path, mode) in [
            ("/home/joe", 0o755),
            ("/home/joe/.ssh", 0o700),
            ("/home/joe/.ssh/authorized_keys", 0o600),
            ("/home/joe/.config/app/rc", 0o400),
            ("/srv/data", 0o1777),
            ("/etc/shadow", 0o600),
        ] {
            let found = std::fs::metadata(scratch.path(path)).unwrap();
            assert_eq!(found.mode() & 0o7777, mode, "{path}");
            if Target::new(scratch.root()).owners && path.starts_with("/home") {
                assert_eq!((found.uid(), found.gid()), (1000, 1000), "{path}");
            }
        }
    }

    #[test]
    fn set_id_bits_outlive_the_change_of_owner() {
        let scratch = Scratch::new();
        let asked = Change::File {
            path: "/tool".into(),
            content: Vec::new(),
            old: None,
            mode: 0o6755,
            uid: 0,
            gid: 0,
            secret: false,
        };
        make(&scratch, &asked).unwrap();
        assert_eq!(std::fs::metadata(scratch.path("/tool")).unwrap().mode() & 0o7777, 0o6755);
    }

    #[test]
    fn a_guard_is_asked_before_its_program_and_what_is_late_is_waited_for() {
        let scratch = Scratch::new();
        let target = Target::new(scratch.root());
        let ran = |guarded: Command| {
            let mut times = 0;
            let result = target.execute(&Change::Run(guarded), &mut |_| {
                times += 1;
                Ok(())
            });
            (result.map_err(|error| error.to_string()), times)
        };
        let command = || Command::tool(["true"]);
        assert_eq!(ran(command().guarded(|_| Ok(false))), (Ok(()), 0));
        assert_eq!(ran(command().guarded(|_| Err(Error::fatal("in use")))), (Err("in use".to_owned()), 0));
        let device = scratch.path("/device");
        let late = device.clone();
        let makes = std::thread::spawn(move || {
            sleep(POLL * 3);
            std::fs::write(late, "").unwrap();
        });
        let there = |root: &Root| if root.exists(Path::new("/device")) { Ok(true) } else { Err(Error::absent("none")) };
        assert_eq!(ran(command().guarded(there)), (Ok(()), 1));
        makes.join().unwrap();
        std::fs::remove_file(device).unwrap();
        target.patience.set(POLL * 2);
        assert_eq!(ran(command().guarded(there)), (Err("none".to_owned()), 0));
        assert!(target.patience.get() <= POLL, "what all steps wait is bounded");
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let scratch = Scratch::new();
        scratch.file("/etc/taken/inside", "kept");
        let error = make(&scratch, &file("/etc/taken", "new")).unwrap_err().to_string();
        assert!(error.contains("/etc/taken"), "{error}");
        let link = Change::Link { path: "/etc/taken".into(), target: "x".into() };
        assert!(make(&scratch, &link).unwrap_err().to_string().contains("help:"));
        assert_eq!(names(&scratch, "/etc"), ["taken"], "nothing is left beside");
        assert_eq!(scratch.text("/etc/taken/inside"), "kept");
        assert!(make(&scratch, &file("/missing/file", "")).is_err());
    }

    #[test]
    fn an_ordinary_user_who_may_not_write_is_told_so() {
        let scratch = Scratch::new();
        scratch.file("/etc/passwd", "old");
        if Target::new(scratch.root()).owners {
            return eprintln!("skipped: root may write everywhere");
        }
        std::fs::set_permissions(scratch.path("/etc"), PermissionsExt::from_mode(0o555)).unwrap();
        let error = make(&scratch, &file("/etc/passwd", "new")).unwrap_err().to_string();
        std::fs::set_permissions(scratch.path("/etc"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(error.contains("run as root"), "{error}");
        assert_eq!(scratch.text("/etc/passwd"), "old");
    }

    #[test]
    fn what_an_interrupted_attempt_left_is_cleared() {
        let scratch = Scratch::new();
        scratch.file("/etc/.motd.firstlight-new", "half");
        std::fs::create_dir(scratch.path("/etc/.sub.firstlight-new")).unwrap();
        make(&scratch, &file("/etc/motd", "whole")).unwrap();
        make(&scratch, &Change::Directory { path: "/etc/sub".into(), mode: 0o755, uid: 0, gid: 0 }).unwrap();
        assert_eq!(names(&scratch, "/etc"), ["motd", "sub"]);
        assert_eq!(scratch.text("/etc/motd"), "whole");
    }

    #[test]
    fn a_link_is_written_through_inside_the_tree_and_stays() {
        let scratch = Scratch::new();
        scratch.file("/run/resolv.conf", "old");
        scratch.file("/etc/hosts", "");
        symlink("/run/resolv.conf", scratch.path("/etc/resolv.conf")).unwrap();
        make(&scratch, &file("/etc/resolv.conf", "new")).unwrap();
        assert_eq!(scratch.text("/run/resolv.conf"), "new");
        assert!(scratch.path("/etc/resolv.conf").is_symlink());
        make(&scratch, &Change::Remove { path: "/etc/resolv.conf".into() }).unwrap();
        assert_eq!(scratch.text("/run/resolv.conf"), "new", "the link goes, not what it leads to");
        assert_eq!(names(&scratch, "/etc"), ["hosts"]);
    }

    #[test]
    fn what_is_new_gets_its_label_where_selinux_is_on() {
        let scratch = Scratch::new();
        scratch.file("/usr/sbin/restorecon", "");
        scratch.file("/etc/kept", "");
        let replaced = Change::File {
            path: "/etc/kept".into(),
            content: Vec::new(),
            old: Some(Old { content: Vec::new(), mode: 0o600 }),
            mode: 0o600,
            uid: 0,
            gid: 0,
            secret: false,
        };
        let directory = |path: &str| Change::Directory { path: path.into(), mode: 0o700, uid: 0, gid: 0 };
        let kept = [replaced, directory("/etc"), Change::Remove { path: "/etc/gone".into() }];
        let new = [directory("/home/a/.ssh"), file("/home/a/.ssh/authorized_keys", ""), directory("/etc")];
        assert!(relabel(&scratch.root(), &new).is_none(), "SELinux is off");
        scratch.file("/sys/fs/selinux/enforce", "1");
        assert!(relabel(&scratch.root(), &kept).is_none());
        let argv = relabel(&scratch.root(), &new).unwrap().argv;
        assert_eq!(argv, ["/usr/sbin/restorecon", "--", "/home/a/.ssh", "/home/a/.ssh/authorized_keys"]);
    }

    #[test]
    fn a_long_name_has_room_beside_it() {
        let scratch = Scratch::new();
        let name = format!("/{}", "n".repeat(255));
        make(&scratch, &file(&name, "x")).unwrap();
        assert_eq!(scratch.text(&name), "x");
    }

    #[test]
    fn settings_of_the_kernel_are_written_over() {
        let live = Target::new(Root::open(Path::new("/")).unwrap());
        live.execute(&file("/proc/self/comm", "firstlight-test"), &mut |_| Ok(())).unwrap();
        assert_eq!(std::fs::read_to_string("/proc/self/comm").unwrap(), "firstlight-test\n");
    }

    #[test]
    fn an_image_is_neither_named_nor_fed() {
        let scratch = Scratch::new();
        let before = nix::unistd::gethostname().unwrap();
        make(&scratch, &Change::Hostname("not-this-machine".to_owned())).unwrap();
        make(&scratch, &Change::Entropy(vec![0; 16])).unwrap();
        assert_eq!(nix::unistd::gethostname().unwrap(), before);
    }
}
