// SPDX-License-Identifier: Apache-2.0
//! Users: what `useradd` does, as one set of changes.

use std::path::Path;

use crate::error::{Error, Result};
use crate::plan::accounts::defaults::Defaults;
use crate::plan::accounts::groups::Groups;
use crate::plan::accounts::numbers::Range;
use crate::plan::accounts::table::Table;
use crate::plan::accounts::{
    PASSWD, SHADOW, SUBGID, SUBUID, home, home_path, names, no_group, one_field, shadow_attributes,
};
use crate::plan::action::User;
use crate::plan::day::Day;
use crate::plan::draft::{Attributes, Draft};

/// A user that is there and in the groups that are asked for.
///
/// The line in passwd comes last: until then the user is not there, and an attempt that was interrupted is made again,
/// over what it left.
pub fn ensure(asked: &User, draft: &mut Draft) -> Result<()> {
    names::check("user", &asked.name)?;
    let mut groups = Groups::read(draft.tree())?;
    let mut passwd = Table::read(draft.tree(), PASSWD)?;
    if passwd.row(&asked.name).is_some() {
        asked.groups.iter().try_for_each(|group| groups.join(group, &asked.name))?;
        return groups.save(draft);
    }

    let defaults = Defaults::read(draft.tree())?;
    let uid = number(asked, &passwd, defaults.uids(asked.system))?;
    let gid = primary_group(asked, uid, &mut groups, &defaults)?;
    asked.groups.iter().try_for_each(|group| groups.join(group, &asked.name))?;
    let home = asked.home.clone().unwrap_or_else(|| defaults.home(&asked.name));
    let line = passwd_line(asked, uid, gid, &home, defaults.shell())?;
    let aging = aging(asked, &defaults, draft.today)?;

    groups.save(draft)?;
    if !asked.system && defaults.uids(false).contains(uid) {
        subordinates(&asked.name, SUBUID, defaults.subordinates("UID"), draft)?;
        subordinates(&asked.name, SUBGID, defaults.subordinates("GID"), draft)?;
    }
    let mut shadow = Table::read(draft.tree(), SHADOW)?;
    // What is left of a user of that name who is gone must not be the password of this one.
    shadow.remove(&asked.name);
    shadow.add(aging);
    let attributes = shadow_attributes(draft.tree())?;
    shadow.save(draft, attributes, true)?;
    if !asked.system && !asked.no_create_home {
        let attributes = Attributes { mode: defaults.home_mode(), uid, gid };
        home::make(&home, defaults.skeleton(), attributes, draft)?;
    }
    passwd.add(line);
    passwd.save(draft, Attributes::root(0o644), false)
}

fn number(asked: &User, passwd: &Table, range: Range) -> Result<u32> {
    let name = &asked.name;
    let Some(uid) = asked.uid else {
        let used = passwd.rows().filter_map(|row| row.number(2)).collect();
        return range
            .free(&used)
            .ok_or_else(|| Error::fatal(format!("no free uid for `{name}` from {} to {}", range.min, range.max)));
    };
    match passwd.rows().find(|row| row.number(2) == Some(uid)) {
        None => Ok(uid),
        Some(other) => Err(Error::malformed(format!("the uid {uid} of user `{name}` belongs to `{}`", other.field(0)))
            .help("leave `uid` out to get a free one")),
    }
}

fn primary_group(asked: &User, uid: u32, groups: &mut Groups, defaults: &Defaults) -> Result<u32> {
    let by_name_or_number = |group: &str| {
        let by_number = || group.parse().ok().filter(|gid| groups.name_of(*gid).is_some());
        groups.gid(group).or_else(by_number).ok_or_else(|| no_group(group))
    };
    if let Some(group) = &asked.primary_group {
        return by_name_or_number(group);
    }
    if asked.no_user_group || !(asked.system || defaults.user_groups()) {
        return by_name_or_number(defaults.group());
    }
    let range = defaults.gids(asked.system);
    let Some(gid) = groups.gid(&asked.name) else {
        return groups.create(&asked.name, None, Some(uid), range);
    };
    // useradd refuses any group of that name. One that is for users and has nobody else in it does no harm: `groups:`
    // made it, or an attempt that was interrupted. One like `sudo` would make its namesake an administrator.
    if range.contains(gid) && groups.members(&asked.name).iter().all(|member| *member == asked.name) {
        return Ok(gid);
    }
    Err(Error::malformed(format!(
        "the user `{0}` cannot have a group of its own: there is a group `{0}` already",
        asked.name
    ))
    .help(format!("say `primary_group: {}` if it is to be that one, or name another", asked.name)))
}

fn passwd_line(asked: &User, uid: u32, gid: u32, home: &Path, shell: &str) -> Result<String> {
    let home = home_path(home)?;
    let gecos = asked.gecos.as_deref().unwrap_or_default();
    let shell = asked.shell.as_deref().unwrap_or(shell);
    one_field("gecos", gecos)?;
    one_field("shell", shell)?;
    Ok(format!("{}:x:{uid}:{gid}:{gecos}:{home}:{shell}", asked.name))
}

/// The line of shadow: the password, and how long the account lasts.
fn aging(asked: &User, defaults: &Defaults, today: Day) -> Result<String> {
    let expires = match asked.expires.as_deref() {
        None | Some("") => String::new(),
        Some(text) => match Day::parse(text) {
            Some(day) => day.0.to_string(),
            None => {
                return Err(Error::malformed(format!("user `{}`: {text:?} is no day", asked.name))
                    .help("write it as YYYY-MM-DD, e.g. 2030-12-31"));
            }
        },
    };
    // Below zero it means "never", which is what an empty field says.
    let inactive = asked.inactive.filter(|days| *days >= 0).map(|days| days.to_string()).unwrap_or_default();
    let password = asked.password.as_deref().unwrap_or("!");
    one_field("password's hash", password)?;
    let ages = if asked.system { "::".to_owned() } else { defaults.ages() };
    Ok(format!("{}:{password}:{today}:{ages}:{inactive}:{expires}:", asked.name))
}

/// Numbers that the user may hand to its containers, where the guest keeps such a list.
fn subordinates(name: &str, path: &'static str, (range, count): (Range, u32), draft: &mut Draft) -> Result<()> {
    let mut table = Table::read(draft.tree(), path)?;
    if !table.exists || table.row(name).is_some() || count == 0 {
        return Ok(());
    }
    let used: Vec<_> = table.rows().filter_map(|row| Some((row.number(1)?, row.number(2)?))).collect();
    let start = range.free_block(used, count).ok_or_else(|| {
        Error::fatal(format!("no {count} free numbers in {path} for `{name}` from {} to {}", range.min, range.max))
    })?;
    table.add(format!("{name}:{start}:{count}"));
    table.save(draft, Attributes::root(0o644), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::action::{Action, Group};
    use crate::plan::expand::changes;
    use crate::plan::overlay::Overlay;
    use crate::root::{Root, Tree};
    use crate::scratch::Scratch;

    const TODAY: Day = Day(20777);

    /// A small Debian, as the vectors below were made on.
    fn debian() -> Scratch {
        let scratch = Scratch::new();
        scratch.file("/etc/default/useradd", "SHELL=/bin/sh\n");
        scratch.file("/etc/login.defs", "UMASK 022\nUSERGROUPS_ENAB yes\nPASS_MAX_DAYS 99999\nPASS_WARN_AGE 7\n");
        scratch.file(
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
             _apt:x:100:65534::/nonexistent:/usr/sbin/nologin\n",
        );
        scratch.file("/etc/shadow", "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n");
        scratch.file("/etc/group", "root:x:0:\ndaemon:x:1:\nsudo:x:27:\nusers:x:100:\nadm:x:4:\nnogroup:x:65534:\n");
        scratch.file("/etc/gshadow", "root:*::\ndaemon:*::\nsudo:*::\nusers:*::\nadm:*::\n");
        scratch.file("/etc/subuid", "");
        scratch.file("/etc/subgid", "");
        scratch.file("/etc/skel/.profile", "PATH=/bin\n");
        scratch
    }

    fn named(name: &str) -> User {
        User { name: name.to_owned(), ..User::default() }
    }

    fn planned<'a>(root: &'a Root, actions: &[Action]) -> Overlay<'a> {
        let mut tree = Overlay::new(root);
        for action in actions {
            for change in changes(action, &tree, TODAY).unwrap() {
                tree.apply(&change).unwrap();
            }
        }
        tree
    }

    fn refused(root: &Root, user: User) -> String {
        changes(&Action::User(user), root, TODAY).unwrap_err().to_string()
    }

    #[test]
    fn the_files_are_those_that_useradd_writes() {
        // With shadow 4.13 of Debian 12, in this order:
        //   useradd -m -s /bin/bash -G sudo,adm -c 'Debian User' debian
        //   useradd -M --system svc
        //   useradd -m -N nogrp
        //   useradd -m -g users -u 2000 -e 2027-01-31 -f 5 -p '$6$salt$hash' expiring
        //   useradd -m after
        //   useradd -M -u 1500 --system sysuid
        //   groupadd site; groupadd --system ssite
        let scratch = debian();
        let root = scratch.root();
        let debian = User {
            shell: Some("/bin/bash".to_owned()),
            groups: vec!["sudo".to_owned(), "adm".to_owned()],
            gecos: Some("Debian User".to_owned()),
            ..named("debian")
        };
        let expiring = User {
            primary_group: Some("users".to_owned()),
            uid: Some(2000),
            expires: Some("2027-01-31".to_owned()),
            inactive: Some(5),
            password: Some("$6$salt$hash".to_owned()),
            ..named("expiring")
        };
        let group = |name: &str, system| Action::Group(Group { name: name.to_owned(), system, ..Group::default() });
        let actions = [
            Action::User(debian),
            Action::User(User { system: true, ..named("svc") }),
            Action::User(User { no_user_group: true, ..named("nogrp") }),
            Action::User(expiring),
            Action::User(named("after")),
            Action::User(User { system: true, uid: Some(1500), ..named("sysuid") }),
            group("site", false),
            group("ssite", true),
        ];
        let tree = planned(&root, &actions);
        for (path, expected) in [
            (
                PASSWD,
                "debian:x:1000:1000:Debian User:/home/debian:/bin/bash\nsvc:x:999:999::/home/svc:/bin/sh\n\
                 nogrp:x:1001:100::/home/nogrp:/bin/sh\nexpiring:x:2000:100::/home/expiring:/bin/sh\n\
                 after:x:2001:2001::/home/after:/bin/sh\nsysuid:x:1500:998::/home/sysuid:/bin/sh\n",
            ),
            (
                SHADOW,
                "debian:!:20777:0:99999:7:::\nsvc:!:20777::::::\nnogrp:!:20777:0:99999:7:::\n\
                 expiring:$6$salt$hash:20777:0:99999:7:5:20849:\nafter:!:20777:0:99999:7:::\nsysuid:!:20777::::::\n",
            ),
            ("/etc/group", "debian:x:1000:\nsvc:x:999:\nafter:x:2001:\nsysuid:x:998:\nsite:x:2002:\nssite:x:997:\n"),
            ("/etc/gshadow", "debian:!::\nsvc:!::\nafter:!::\nsysuid:!::\nsite:!::\nssite:!::\n"),
            (SUBUID, "debian:100000:65536\nnogrp:165536:65536\nexpiring:231072:65536\nafter:296608:65536\n"),
            (SUBGID, "debian:100000:65536\nnogrp:165536:65536\nexpiring:231072:65536\nafter:296608:65536\n"),
        ] {
            let text = tree.read_text(Path::new(path)).unwrap().unwrap();
            assert!(text.ends_with(expected), "{path}:\n{text}");
        }
        let group = tree.read_text(Path::new("/etc/group")).unwrap().unwrap();
        assert!(group.contains("sudo:x:27:debian\n") && group.contains("adm:x:4:debian\n"), "{group}");
        let gshadow = tree.read_text(Path::new("/etc/gshadow")).unwrap().unwrap();
        assert!(gshadow.contains("sudo:*::debian\n") && gshadow.contains("adm:*::debian\n"), "{gshadow}");

        let home = tree.stat(Path::new("/home/debian")).unwrap().unwrap();
        assert_eq!((home.mode, home.uid, home.gid), (0o755, 1000, 1000));
        assert_eq!(tree.stat(Path::new("/home/debian/.profile")).unwrap().unwrap().uid, 1000);
        assert!(!tree.exists(Path::new("/home/svc")));
        for action in &actions {
            assert!(changes(action, &tree, Day(30000)).unwrap().is_empty(), "once more: {action:?}");
        }
    }

    #[test]
    fn a_user_that_is_there_only_joins_groups() {
        let scratch = debian();
        let root = scratch.root();
        let asked =
            User { uid: Some(5), shell: Some("/bin/no".to_owned()), groups: vec!["adm".to_owned()], ..named("daemon") };
        let tree = planned(&root, &[Action::User(asked)]);
        assert_eq!(tree.read(Path::new(PASSWD)).unwrap(), root.read(Path::new(PASSWD)).unwrap());
        assert!(tree.read_text(Path::new("/etc/group")).unwrap().unwrap().contains("adm:x:4:daemon\n"));
    }

    #[test]
    fn an_attempt_that_was_interrupted_is_finished() {
        let scratch = debian();
        let root = scratch.root();
        let asked = Action::User(named("debian"));
        let all = changes(&asked, &root, TODAY).unwrap();
        let finished = planned(&root, std::slice::from_ref(&asked));
        for done in 0..all.len() {
            let mut tree = Overlay::new(&root);
            all.iter().take(done).for_each(|change| tree.apply(change).unwrap());
            for change in changes(&asked, &tree, TODAY).unwrap() {
                tree.apply(&change).unwrap();
            }
            for path in [PASSWD, SHADOW, SUBUID, "/etc/group", "/etc/gshadow", "/home/debian/.profile"] {
                let path = Path::new(path);
                assert_eq!(tree.read_text(path).unwrap(), finished.read_text(path).unwrap(), "{path:?} after {done}");
            }
        }
    }

    #[test]
    fn a_namesake_of_a_group_with_rights_is_refused() {
        let scratch = debian();
        let error = refused(&scratch.root(), named("sudo"));
        assert!(error.contains("there is a group `sudo` already") && error.contains("primary_group"), "{error}");
    }

    #[test]
    fn nothing_can_add_a_field_or_a_line() {
        let root = debian();
        let root = root.root();
        let bad = |text: &str| Some(text.to_owned());
        assert!(refused(&root, named("a:b")).contains("other characters"));
        assert!(refused(&root, User { gecos: bad("x:0:0"), ..named("u") }).contains("gecos"));
        assert!(refused(&root, User { shell: bad("/bin/sh\nroot2"), ..named("u") }).contains("shell"));
        assert!(refused(&root, User { home: Some("home/u".into()), ..named("u") }).contains("absolute"));
        assert!(refused(&root, User { expires: bad("tomorrow"), ..named("u") }).contains("YYYY-MM-DD"));
        assert!(refused(&root, User { uid: Some(1), ..named("u") }).contains("belongs to `daemon`"));
        assert!(refused(&root, User { groups: vec!["docker".to_owned()], ..named("u") }).contains("no group `docker`"));
    }
}
