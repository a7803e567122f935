// SPDX-License-Identifier: Apache-2.0
//! Groups and who is in them: group and gshadow.

use crate::error::{Error, Result};
use crate::plan::accounts::defaults::Defaults;
use crate::plan::accounts::numbers::Range;
use crate::plan::accounts::table::Table;
use crate::plan::accounts::{GROUP, GSHADOW, existing_user, members, names, no_group};
use crate::plan::action::Group;
use crate::plan::draft::{Attributes, Draft};
use crate::root::Tree;

/// The two files; gshadow only where the guest has it.
pub(super) struct Groups {
    group: Table,
    gshadow: Table,
}

impl Groups {
    pub fn read(tree: &dyn Tree) -> Result<Self> {
        Ok(Self { group: Table::read(tree, GROUP)?, gshadow: Table::read(tree, GSHADOW)? })
    }

    /// The number of a group, by name.
    pub fn gid(&self, name: &str) -> Option<u32> {
        self.group.row(name)?.number(2)
    }

    /// The name of a group, by number.
    pub fn name_of(&self, gid: u32) -> Option<String> {
        self.group.rows().find(|row| row.number(2) == Some(gid)).map(|row| row.field(0).into_owned())
    }

    /// Who is in a group, by its name.
    pub fn members(&self, name: &str) -> Vec<String> {
        self.group.row(name).map(|row| members(row, 3)).unwrap_or_default()
    }

    /// A new group; its number is `asked`, or `wished` where that is free, or the next of `range`.
    pub fn create(&mut self, name: &str, asked: Option<u32>, wished: Option<u32>, range: Range) -> Result<u32> {
        let used = self.group.rows().filter_map(|row| row.number(2)).collect();
        let gid = match asked {
            Some(gid) => {
                if let Some(other) = self.name_of(gid) {
                    return Err(Error::malformed(format!("the gid {gid} of group `{name}` belongs to `{other}`"))
                        .help("leave `gid` out to get a free one"));
                }
                gid
            }
            None => wished
                .filter(|gid| range.contains(*gid) && self.name_of(*gid).is_none())
                .or_else(|| range.free(&used))
                .ok_or_else(|| Error::fatal(format!("no free gid for `{name}` from {} to {}", range.min, range.max)))?,
        };
        self.group.add(format!("{name}:x:{gid}:"));
        if self.gshadow.exists {
            self.gshadow.remove(name);
            self.gshadow.add(format!("{name}:!::"));
        }
        Ok(gid)
    }

    /// Adds a user to a group that exists.
    pub fn join(&mut self, name: &str, user: &str) -> Result<()> {
        if self.group.row(name).is_none() {
            return Err(no_group(name));
        }
        for table in [&mut self.group, &mut self.gshadow] {
            let Some(mut names) = table.row(name).map(|row| members(row, 3)) else { continue };
            if names.iter().all(|name| name != user) {
                names.push(user.to_owned());
                table.set(name, 3, &names.join(","));
            }
        }
        Ok(())
    }

    /// gshadow first: a group is there with its line in group, and after an interruption the other would be missed.
    pub fn save(self, draft: &mut Draft) -> Result<()> {
        self.gshadow.save(draft, Attributes::root(0o600), true)?;
        self.group.save(draft, Attributes::root(0o644), false)
    }
}

/// A group that is there, with its members.
pub fn ensure(asked: &Group, draft: &mut Draft) -> Result<()> {
    names::check("group", &asked.name)?;
    let mut groups = Groups::read(draft.tree())?;
    if groups.gid(&asked.name).is_none() {
        let range = Defaults::read(draft.tree())?.gids(asked.system);
        groups.create(&asked.name, asked.gid, None, range)?;
    }
    for member in &asked.members {
        existing_user(draft.tree(), member)?;
        groups.join(&asked.name, member)?;
    }
    groups.save(draft)
}
