// SPDX-License-Identifier: Apache-2.0
//! What an action comes to on a given tree: the changes that `plan` prints and `apply` makes, from one function.

use std::path::Path;

use crate::error::{Error, Result};
use crate::plan::accounts;
use crate::plan::action::{Action, Edit, Owner, Write};
use crate::plan::change::Change;
use crate::plan::day::Day;
use crate::plan::draft::{Attributes, Draft, in_the_way};
use crate::plan::interfaces;
use crate::plan::overlay::HOSTNAME;
use crate::root::{FileKind, Tree};

/// What `action` comes to on `tree`; nothing where the tree is already as it asks. Passwords are dated `today`.
///
/// Errors: an owner or a user that is not there, a file that cannot be read, something else in the way. With an
/// error no part of the action is changed.
pub fn changes(action: &Action, tree: &dyn Tree, today: Day) -> Result<Vec<Change>> {
    let mut draft = Draft::new(tree, today);
    match action {
        Action::Write(asked) => write(asked, &mut draft)?,
        Action::Edit(asked) => edit(asked, &mut draft)?,
        Action::Directory { path, mode, owner } => {
            let (uid, gid) = owner_ids(owner, tree)?;
            draft.parents(path, Attributes::root(0o755))?;
            draft.directory(path, Attributes { mode: *mode, uid, gid })?;
        }
        Action::Link { path, target } => link(path, target, &mut draft)?,
        Action::Remove { path } => remove(path, &mut draft)?,
        Action::Group(group) => accounts::groups::ensure(group, &mut draft)?,
        Action::User(user) => accounts::users::ensure(user, &mut draft)?,
        Action::Password(password) => accounts::passwords::set(password, &mut draft)?,
        Action::AuthorizedKeys(keys) => accounts::keys::add(keys, &mut draft)?,
        // An image has neither a running name nor a pool, a console or power. Nor must it be published with host keys, or
        // with a password that its builder was told: all that are made from it would share them. And a program of an image
        // may be built for another machine, and would act on this one.
        _ if !tree.is_live() => {}
        Action::Hostname(name) => {
            if tree.read_text(Path::new(HOSTNAME))?.is_none_or(|old| old.trim_end() != name) {
                draft.push(Change::Hostname(name.clone()))?;
            }
        }
        Action::Interfaces(asked) => {
            let missing = interfaces::missing(asked, tree)?;
            if !missing.is_empty() {
                draft.push(Change::Interfaces { missing, asked: asked.clone() })?;
            }
        }
        Action::HostKey { kind, path, mode, owner } => {
            let (_, gid) = owner_ids(owner, tree)?;
            draft.push(Change::HostKey { kind: *kind, path: path.clone(), mode: *mode, gid })?;
        }
        Action::RandomPassword { user, expire } => {
            accounts::existing_user(draft.tree(), user)?;
            draft.push(Change::RandomPassword { user: user.clone(), expire: *expire })?;
        }
        Action::Refuse(why) => return Err(Error::fatal(why)),
        Action::Entropy(bytes) => draft.push(Change::Entropy(bytes.clone()))?,
        Action::Run(command) => draft.push(Change::Run(command.clone()))?,
        Action::Request(request) => draft.push(Change::Request(request.clone()))?,
        Action::Message(text) => draft.push(Change::Message(text.clone()))?,
        Action::Report(report) => draft.push(Change::Report(report.clone()))?,
        Action::PowerState(power) => draft.push(Change::PowerState(power.clone()))?,
    }
    Ok(draft.into_changes())
}

/// Missing directories are the file's owner's, as cloud-init makes them: in a home they must not be root's.
fn write(asked: &Write, draft: &mut Draft) -> Result<()> {
    let (uid, gid) = owner_ids(&asked.owner, draft.tree())?;
    let attributes = Attributes { mode: asked.mode, uid, gid };
    let mut content = Vec::new();
    if asked.append {
        content = draft.tree().read(&asked.path)?.unwrap_or_default();
    }
    if !(asked.begun && content.ends_with(&asked.content)) {
        content.extend_from_slice(&asked.content);
    }
    draft.parents(&asked.path, Attributes { mode: 0o755, ..attributes })?;
    draft.file(&asked.path, content, attributes, asked.secret)
}

fn edit(asked: &Edit, draft: &mut Draft) -> Result<()> {
    let old = draft.tree().read(&asked.path)?;
    if old.is_none() && asked.only_existing {
        return Ok(());
    }
    let old = String::from_utf8(old.unwrap_or_default())
        .map_err(|_| Error::malformed(format!("{} is not UTF-8 text; it is left as it is", asked.path.display())))?;
    let new = (asked.change)(&old)?;
    if new == old {
        return Ok(());
    }
    let attributes = match draft.tree().stat(&asked.path)? {
        Some(stat) => Attributes::of(&stat),
        None => Attributes::root(asked.mode),
    };
    draft.parents(&asked.path, Attributes::root(0o755))?;
    draft.file(&asked.path, new.into_bytes(), attributes, false)
}

fn link(path: &Path, target: &Path, draft: &mut Draft) -> Result<()> {
    match draft.tree().read_link(path)? {
        Some(old) if old == target => return Ok(()),
        Some(_) => {}
        None => not_a_directory(path, draft.tree())?,
    }
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        // The directories that are missing are those above the link, wherever it will lead.
        let place = draft.tree().resolve(parent)?.join(name);
        draft.parents(&place, Attributes::root(0o755))?;
    }
    draft.push(Change::Link { path: path.to_owned(), target: target.to_owned() })
}

fn remove(path: &Path, draft: &mut Draft) -> Result<()> {
    if draft.tree().read_link(path)?.is_none() {
        not_a_directory(path, draft.tree())?;
        if !draft.tree().exists(path) {
            return Ok(());
        }
    }
    draft.push(Change::Remove { path: path.to_owned() })
}

fn not_a_directory(path: &Path, tree: &dyn Tree) -> Result<()> {
    match tree.stat(path)? {
        Some(stat) if stat.kind == FileKind::Directory => Err(in_the_way(path, &stat)),
        _ => Ok(()),
    }
}

/// The numbers of an owner by the tree's own passwd and group.
fn owner_ids(owner: &Owner, tree: &dyn Tree) -> Result<(u32, u32)> {
    match owner {
        Owner::Root => Ok((0, 0)),
        Owner::Named(user, group) => {
            let uid = match user.as_str() {
                "" => 0,
                name => match accounts::user(tree, name)? {
                    Some(user) => user.uid,
                    None => name.parse().map_err(|_| accounts::no_user(name))?,
                },
            };
            let gid = match group.as_str() {
                "" => 0,
                name => match accounts::group(tree, name)? {
                    Some(gid) => gid,
                    None => name.parse().map_err(|_| accounts::no_group(name))?,
                },
            };
            Ok((uid, gid))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::overlay::Overlay;
    use crate::scratch::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    fn of(action: &Action, tree: &dyn Tree) -> Vec<Change> {
        changes(action, tree, Day(1)).unwrap()
    }

    fn refused(action: &Action, tree: &dyn Tree) -> String {
        changes(action, tree, Day(1)).unwrap_err().to_string()
    }

    fn made<'a>(action: &Action, tree: &'a dyn Tree) -> Overlay<'a> {
        let mut overlay = Overlay::new(tree);
        of(action, tree).iter().for_each(|change| overlay.apply(change).unwrap());
        overlay
    }

    /// A tree of root's, whoever runs the test.
    struct Owned<'a>(&'a dyn Tree, bool);

    impl Tree for Owned<'_> {
        fn stat(&self, path: &Path) -> Result<Option<crate::root::Stat>> {
            Ok(self.0.stat(path)?.map(|stat| crate::root::Stat { uid: 0, gid: 0, ..stat }))
        }
        fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
            self.0.read(path)
        }
        fn read_link(&self, path: &Path) -> Result<Option<PathBuf>> {
            self.0.read_link(path)
        }
        fn list(&self, path: &Path) -> Result<Vec<String>> {
            self.0.list(path)
        }
        fn is_live(&self) -> bool {
            self.1
        }
        fn owners(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_file_changes_with_its_content_its_mode_or_its_owner() {
        let scratch = Scratch::new();
        scratch.file("/etc/motd", "hello");
        std::fs::set_permissions(scratch.path("/etc/motd"), PermissionsExt::from_mode(0o644)).unwrap();
        let root = scratch.root();
        let tree = Owned(&root, false);
        let same = Write::new("/etc/motd", "hello");
        assert!(of(&Action::Write(same.clone()), &tree).is_empty());
        assert_eq!(of(&Action::Write(Write::new("/etc/motd", "bye")), &tree).len(), 1);
        assert_eq!(of(&Action::Write(same.clone().mode(0o600)), &tree).len(), 1);
        let owned = Action::Write(same.owner(Owner::Named("7".to_owned(), String::new())));
        let [Change::File { uid: 7, gid: 0, old: Some(old), .. }] = &of(&owned, &tree)[..] else { panic!() };
        assert_eq!((old.content.as_slice(), old.mode), (b"hello".as_slice(), 0o644));
        let more = Action::Write(Write { append: true, ..Write::new("/etc/motd", " again") });
        assert_eq!(made(&more, &tree).read(Path::new("/etc/motd")).unwrap().unwrap(), b"hello again");
    }

    #[test]
    fn what_an_earlier_run_appended_is_not_appended_again() {
        let scratch = Scratch::new();
        scratch.file("/etc/motd", "hello again");
        std::fs::set_permissions(scratch.path("/etc/motd"), PermissionsExt::from_mode(0o644)).unwrap();
        let root = scratch.root();
        let tree = Owned(&root, false);
        let more = Write { append: true, ..Write::new("/etc/motd", " again") };
        let begun = Write { begun: true, ..more.clone() };
        let text =
            |write: &Write| made(&Action::Write(write.clone()), &tree).read_text(Path::new("/etc/motd")).unwrap();
        assert_eq!(text(&more).unwrap(), "hello again again", "the file may just have ended so");
        assert!(of(&Action::Write(begun.clone()), &tree).is_empty(), "stopped after the write");
        assert_eq!(of(&Action::Write(begun.clone().mode(0o600)), &tree).len(), 1, "the mode is still set");
        let other = Write { content: b" there".to_vec(), ..begun };
        assert_eq!(text(&other).unwrap(), "hello again there", "stopped before the write");
    }

    #[test]
    fn directories_that_are_missing_are_made_where_the_links_lead() {
        let scratch = Scratch::new();
        scratch.file("/usr/keep", "");
        symlink("usr/deep/er", scratch.path("/link")).unwrap();
        let root = scratch.root();
        let changes = of(&Action::Write(Write::new("/link/a/file", "")), &root);
        let made: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Directory { path, mode: 0o755, .. } => path.to_str(),
                _ => None,
            })
            .collect();
        assert_eq!(made, ["/usr/deep", "/usr/deep/er", "/usr/deep/er/a"]);
    }

    #[test]
    fn a_directory_gets_its_mode_and_its_parents_root_s() {
        let scratch = Scratch::new();
        let root = scratch.root();
        let asked =
            Action::Directory { path: "/srv/a/b".into(), mode: 0o2770, owner: Owner::Named("7".into(), "8".into()) };
        let tree = made(&asked, &root);
        let stat = |path: &str| tree.stat(Path::new(path)).unwrap().unwrap();
        assert_eq!((stat("/srv/a").mode, stat("/srv/a").uid), (0o755, 0));
        assert_eq!((stat("/srv/a/b").mode, stat("/srv/a/b").uid, stat("/srv/a/b").gid), (0o2770, 7, 8));
        assert!(of(&asked, &tree).is_empty());
    }

    #[test]
    fn an_edit_that_changes_nothing_is_nothing() {
        let scratch = Scratch::new();
        scratch.file("/etc/hosts", "127.0.0.1 localhost\n");
        let root = scratch.root();
        let keep = |path: &str| Edit::new(path, str::to_owned);
        let add = |path: &str| Edit::new(path, |old: &str| format!("{old}# more\n"));
        assert!(of(&Action::Edit(keep("/etc/hosts")), &root).is_empty());
        assert!(of(&Action::Edit(keep("/etc/missing")), &root).is_empty());
        assert!(of(&Action::Edit(add("/etc/missing").only_existing()), &root).is_empty());
        let [Change::File { mode: 0o600, .. }] = of(&Action::Edit(add("/etc/new").mode(0o600)), &root)[..] else {
            panic!()
        };
        std::fs::write(scratch.path("/etc/latin"), b"caf\xe9").unwrap();
        assert!(refused(&Action::Edit(add("/etc/latin")), &root).contains("not UTF-8"));
    }

    #[test]
    fn links_and_removals_are_for_what_is_no_directory() {
        let scratch = Scratch::new();
        scratch.file("/etc/localtime", "");
        symlink("/usr", scratch.path("/link")).unwrap();
        std::fs::create_dir(scratch.path("/usr")).unwrap();
        let root = scratch.root();
        let link = |path: &str| Action::Link { path: path.into(), target: "/usr".into() };
        let remove = |path: &str| Action::Remove { path: path.into() };
        assert!(of(&link("/link"), &root).is_empty());
        assert_eq!(of(&link("/etc/localtime"), &root).len(), 1);
        assert_eq!(of(&link("/new/link"), &root).len(), 2);
        assert!(refused(&link("/usr"), &root).contains("is a directory"));
        assert_eq!(of(&remove("/link"), &root).len(), 1, "the link, not what it leads to");
        assert!(of(&remove("/missing"), &root).is_empty());
        assert!(refused(&remove("/usr"), &root).contains("is a directory"));
    }

    #[test]
    fn what_is_in_the_way_or_missing_is_named() {
        let scratch = Scratch::new();
        scratch.file("/file", "");
        let root = scratch.root();
        assert!(refused(&Action::Write(Write::new("/file/below", "")), &root).contains("/file is a file"));
        assert!(refused(&Action::Write(Write::new("/", "")), &root).contains("/ is a directory"));
        let owner = Owner::Named("joe".to_owned(), String::new());
        let error = refused(&Action::Write(Write::new("/new", "").owner(owner)), &root);
        assert!(error.contains("no user `joe`") && error.contains("defer"), "{error}");
    }

    #[test]
    fn a_running_system_is_named_once_and_an_image_never() {
        let scratch = Scratch::new();
        scratch.file("/proc/sys/kernel/hostname", "old\n");
        let root = scratch.root();
        let name = Action::Hostname("new".to_owned());
        assert!(of(&name, &root).is_empty());
        let live = Owned(&root, true);
        let tree = made(&name, &live);
        assert!(of(&name, &tree).is_empty());
        assert_eq!(of(&Action::Entropy(vec![1]), &live).len(), 1);
    }
}
