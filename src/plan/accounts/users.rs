// SPDX-License-Identifier: Apache-2.0
//! Users: what `useradd` does, as one set of changes.

use std::path::Path;

use crate::error::{Error, Result};
use crate::plan::accounts::day::Day;
use crate::plan::accounts::defaults::Defaults;
use crate::plan::accounts::groups::Groups;
use crate::plan::accounts::numbers::Range;
use crate::plan::accounts::table::Table;
use crate::plan::accounts::{
    PASSWD, SHADOW, SUBGID, SUBUID, home, home_path, names, no_group, one_field, shadow_attributes,
};
use crate::plan::action::User;
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

/// The line of shadow: no password, and how long the account lasts.
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
    let ages = if asked.system { "::".to_owned() } else { defaults.ages() };
    Ok(format!("{}:!:{today}:{ages}:{inactive}:{expires}:", asked.name))
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
