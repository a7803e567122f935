// SPDX-License-Identifier: Apache-2.0
//! One thing that the kernel shall have, shown as the arguments of ip(8) that would do it.

use std::fmt;

use crate::finding::Origin;
use crate::network::model::options::{Form, Setting};
use crate::network::model::{Address, Route, RouteKind, Rule};
use crate::network::prefix::Mac;

/// One thing that the kernel shall have, and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub task: Task,
    /// Who asked for it.
    pub origin: Origin,
}

impl Change {
    /// The command that would do the same.
    pub fn command(&self) -> String {
        let line = self.to_string();
        match line.strip_prefix("# ") {
            Some(other) => other.to_owned(),
            None => format!("ip {line}"),
        }
    }
}

/// What the kernel shall have. Interfaces by their names at that point: after the renames that stand before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Task {
    /// An interface's name.
    Rename { from: String, to: String },
    /// A virtual interface with these options.
    Link { name: String, make: Make, settings: Vec<Setting> },
    /// The hardware address.
    Mac { name: String, mac: Mac },
    /// Bytes.
    Mtu { name: String, mtu: u32 },
    /// The bond, bridge or VRF that it is a part of.
    Master { name: String, master: String },
    /// An option of a bond or a bridge that names one of its parts: that has to be one first. `setting.value` is the
    /// interface's name for [`Form::Member`]; for [`Form::PerMember`] the interface is `name`.
    Member { name: String, setting: Setting },
    /// A file of `/proc/sys/net/ipv6/conf/NAME`.
    Ipv6 { name: String, key: &'static str, value: u32 },
    /// Up.
    Up { name: String },
    /// An address. `label` as it is given, or none.
    Address { name: String, address: Address },
    /// A route, all its parts decided; `name` is the interface where one is to be named.
    Route { name: Option<String>, route: Route },
    /// A rule of the routing policy with its priority and table; its family is that of the addresses, one of which is there.
    Rule(Rule),
}

/// The kinds of virtual interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Make {
    Bond,
    Bridge,
    Vlan { id: u16, parent: String },
    Vrf { table: u32 },
    Dummy,
}

impl Make {
    /// The kernel's word.
    pub fn kind(&self) -> &'static str {
        match self {
            Make::Bond => "bond",
            Make::Bridge => "bridge",
            Make::Vlan { .. } => "vlan",
            Make::Vrf { .. } => "vrf",
            Make::Dummy => "dummy",
        }
    }
}

/// The kernel's number for an option's value; `None` for what is no number (addresses, members).
pub fn number(setting: &Setting) -> Option<u32> {
    match setting.option.form {
        Form::Word(words) => {
            words.iter().position(|word| *word == setting.value).and_then(|place| place.try_into().ok())
        }
        // The kernel counts in hundredths (USER_HZ).
        Form::Seconds(_) => setting.value.parse().ok().and_then(|seconds: u32| seconds.checked_mul(100)),
        Form::Number(_) | Form::Milliseconds(_) | Form::Flag | Form::PerMember(_) => setting.value.parse().ok(),
        Form::Addresses | Form::Member => None,
    }
}

/// An option's name in ip-link(8), where that is not the kernel's own.
fn word(setting: &Setting) -> &'static str {
    match setting.option.kernel {
        "path_cost" => "cost",
        "port_priority" => "priority",
        name => name,
    }
}

fn show_setting(f: &mut fmt::Formatter<'_>, setting: &Setting) -> fmt::Result {
    let value = match setting.option.form {
        Form::Word(_) => None,
        _ => number(setting),
    };
    match value {
        Some(number) => write!(f, " {} {number}", word(setting)),
        None => write!(f, " {} {}", word(setting), setting.value),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Rename { from, to } => write!(f, "link set dev {from} name {to}"),
            Task::Link { name, make, settings } => {
                write!(f, "link add dev {name}")?;
                match make {
                    Make::Vlan { id, parent } => write!(f, " link {parent} type vlan id {id}")?,
                    Make::Vrf { table } => write!(f, " type vrf table {table}")?,
                    _ => write!(f, " type {}", make.kind())?,
                }
                settings.iter().try_for_each(|setting| show_setting(f, setting))
            }
            Task::Mac { name, mac } => write!(f, "link set dev {name} address {mac}"),
            Task::Mtu { name, mtu } => write!(f, "link set dev {name} mtu {mtu}"),
            Task::Master { name, master } => write!(f, "link set dev {name} master {master}"),
            Task::Member { name, setting } => {
                let kind = if setting.option.form == Form::Member { "bond" } else { "bridge_slave" };
                write!(f, "link set dev {name} type {kind}")?;
                show_setting(f, setting)
            }
            // ip(8) has no word for it and skips a comment.
            Task::Ipv6 { name, key, value } => write!(f, "# sysctl net/ipv6/conf/{name}/{key}={value}"),
            Task::Up { name } => write!(f, "link set dev {name} up"),
            Task::Address { name, address } => {
                write!(f, "address replace {} dev {name}", address.prefix)?;
                if address.address().is_ipv4() && address.length() <= 30 {
                    f.write_str(" broadcast +")?;
                }
                address.label.iter().try_for_each(|label| write!(f, " label {label}"))?;
                f.write_str(if address.deprecated { " preferred_lft 0" } else { "" })
            }
            Task::Route { name, route } => show_route(f, name.as_deref(), route),
            Task::Rule(rule) => {
                // ip(8) tells a rule's family by this alone: `::/0` without it is IPv4's.
                let ipv6 = rule.from.or(rule.to).is_some_and(|prefix| prefix.address().is_ipv6());
                f.write_str(if ipv6 { "-6 rule add" } else { "rule add" })?;
                rule.from.iter().try_for_each(|from| write!(f, " from {from}"))?;
                rule.to.iter().try_for_each(|to| write!(f, " to {to}"))?;
                rule.mark.iter().try_for_each(|mark| write!(f, " fwmark {mark:#x}"))?;
                rule.tos.iter().try_for_each(|tos| write!(f, " tos {tos:#x}"))?;
                rule.table.iter().try_for_each(|table| write!(f, " lookup {table}"))?;
                rule.priority.iter().try_for_each(|priority| write!(f, " priority {priority}"))
            }
        }
    }
}

fn show_route(f: &mut fmt::Formatter<'_>, name: Option<&str>, route: &Route) -> fmt::Result {
    f.write_str("route replace ")?;
    if route.kind != RouteKind::Unicast {
        write!(f, "{} ", route.kind.name())?;
    }
    write!(f, "{}", route.to)?;
    route.via.iter().try_for_each(|via| write!(f, " via {via}"))?;
    name.iter().try_for_each(|name| write!(f, " dev {name}"))?;
    route.from.iter().try_for_each(|from| write!(f, " src {from}"))?;
    for (word, value) in [("metric", route.metric), ("table", route.table), ("mtu", route.mtu)] {
        value.iter().try_for_each(|value| write!(f, " {word} {value}"))?;
    }
    route.scope.iter().try_for_each(|scope| write!(f, " scope {scope}"))?;
    f.write_str(if route.on_link == Some(true) { " onlink" } else { "" })
}
