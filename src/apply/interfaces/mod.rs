// SPDX-License-Identifier: Apache-2.0
//! Making the kernel's network what it is asked to be.
//!
//! Each change is held against what is there just before, and what is there already is not touched: run again, nothing
//! happens. What nobody asked for stays too (addresses of an initramfs, routes of a daemon), save what stands in the way
//! of a change itself: the same address on the same interface with another prefix or label, a route to the same place
//! with the same metric in the same table, a bond's parts while its mode is changed.

mod requests;

use std::collections::BTreeSet;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::{At as _, Error, Result};
use crate::netlink::{Interface, Socket, State};
use crate::network::model::options::Setting;
use crate::network::model::{self};
use crate::network::prefix::Mac;
use crate::network::render::kernel::{Change, Make, Task};
use crate::plan::interfaces::{address_of, has, is_missing, is_of_kind, route_of, rule_of, same_label, setting_path};
use crate::root::Root;

/// How long an IPv6 address may take to be sure that nobody else has it: until then no route can begin from it.
const SURE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(100);
/// How long an interface that was just brought up may take to notice its carrier.
const CARRIER: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(10);

/// Makes each of `changes` that is not so yet, in their order. One that fails costs itself and what hangs on it.
///
/// Errors: what failed, who asked for it, and why.
pub fn make(changes: &[Change], root: &Root) -> Result<()> {
    let mut socket = Socket::open().map_err(|error| kernel("cannot speak to the kernel's network", error))?;
    let mut failures = Failures::default();
    for change in changes {
        if let Task::Ipv6 { name, key: "mtu", .. } = &change.task {
            settle(&mut socket, name);
        }
        let state = State::read(&mut socket).map_err(|error| kernel("cannot ask the kernel for its network", error))?;
        if is_missing(&change.task, &state, root)? {
            log::debug!("{} ({})", change.command(), change.origin);
            let mut maker = Maker { socket: &mut socket, state, asked: changes };
            if let Err(error) = maker.make(&change.task) {
                failures.add(change, &error);
            }
        }
    }
    failures.result()
}

/// Waits until the interface has noticed its carrier: the kernel does that in its own time, and gives IPv6 the link's own
/// MTU on that occasion. One without a cable is not waited for any longer than this.
fn settle(socket: &mut Socket, name: &str) {
    let begun = Instant::now();
    loop {
        let Some(interface) = State::read(socket).ok().and_then(|state| state.interface(name).cloned()) else { return };
        if !interface.up {
            return;
        }
        if interface.running {
            // It changes nothing, and has to wait for the lock under which the kernel tells IPv6 of the carrier.
            if let Err(error) = socket.request(Interface::set_up(interface.index, true)) {
                log::debug!("{name}: {error}");
            }
            return;
        }
        if begun.elapsed() > CARRIER {
            log::debug!("{name} has no carrier after {CARRIER:?}");
            return;
        }
        sleep(SOON);
    }
}

fn kernel(doing: &str, error: io::Error) -> Error {
    Error::fatal(doing).because(error)
}

/// What failed.
#[derive(Default)]
struct Failures {
    told: Vec<String>,
    /// Interfaces that could not be made.
    lost: BTreeSet<String>,
    /// How many changes failed for want of those.
    following: usize,
    advice: Option<String>,
}

impl Failures {
    fn add(&mut self, change: &Change, error: &Error) {
        if error.is_absent() && of(&change.task).into_iter().any(|name| self.lost.contains(name)) {
            self.following += 1;
            return;
        }
        if let Task::Link { name, .. } | Task::Rename { to: name, .. } = &change.task {
            self.lost.insert(name.clone());
        }
        self.advice = self.advice.take().or_else(|| error.advice().map(str::to_owned));
        self.told.push(format!("{}: `{}`: {}", change.origin, change.command(), error.without_advice()));
    }

    fn result(self) -> Result<()> {
        if self.told.is_empty() {
            return Ok(());
        }
        let following = match self.following {
            0 => String::new(),
            count => format!("; {count} more that hang on it"),
        };
        let error = Error::fatal(format!("not all of the network could be made: {}{following}", self.told.join("; ")));
        Err(match self.advice {
            Some(advice) => error.help(advice),
            None => error,
        })
    }
}

/// The interfaces that it is about.
fn of(task: &Task) -> Vec<&str> {
    match task {
        Task::Rename { from, .. } => vec![from],
        Task::Link { make: Make::Vlan { parent, .. }, .. } => vec![parent],
        Task::Master { name, master } => vec![name, master],
        Task::Route { name, .. } => name.iter().map(String::as_str).collect(),
        Task::Link { name, .. }
        | Task::Mac { name, .. }
        | Task::Mtu { name, .. }
        | Task::Member { name, .. }
        | Task::Ipv6 { name, .. }
        | Task::Up { name }
        | Task::Address { name, .. } => vec![name],
        Task::Rule(_) => Vec::new(),
    }
}

/// Makes one change.
struct Maker<'a> {
    socket: &'a mut Socket,
    /// What was there just before.
    state: State,
    /// All that is asked for.
    asked: &'a [Change],
}

impl Maker<'_> {
    fn make(&mut self, task: &Task) -> Result<()> {
        match task {
            Task::Rename { from, to } => self.rename(from, to),
            Task::Link { name, make, settings } => self.link(name, make, settings),
            Task::Mac { name, mac } => {
                let interface = self.there(name)?;
                let set = requests::mac(interface.index, *mac);
                // Most virtual cards take it while they are up; others have to go down for it.
                self.ask(set.clone()).or_else(|_| self.while_down(&interface, |maker| maker.ask(set)))
            }
            Task::Mtu { name, mtu } => {
                let index = self.there(name)?.index;
                self.ask(requests::mtu(index, *mtu))
            }
            Task::Master { name, master } => self.enslave(name, master),
            Task::Member { name, setting } => self.member(name, setting),
            Task::Ipv6 { name, key, value } => {
                let path = setting_path(name, key);
                std::fs::write(&path, value.to_string()).at("write", &path)
            }
            Task::Up { name } => {
                let index = self.there(name)?.index;
                self.ask(Interface::set_up(index, true))
            }
            Task::Address { name, address } => self.address(name, address),
            Task::Route { name, route } => self.route(name.as_deref(), route),
            Task::Rule(rule) => match rule_of(rule) {
                Some(rule) => self.ask(rule.add()),
                None => Ok(()),
            },
        }
    }

    fn there(&self, name: &str) -> Result<Interface> {
        let found = self.state.interface(name).cloned();
        found.ok_or_else(|| Error::absent(format!("there is no interface `{name}`")))
    }

    fn ask(&mut self, message: crate::netlink::message::Message) -> Result<()> {
        self.socket.request(message).map_err(refused)
    }

    /// An interface with an address that nobody here asked for is somebody's: a root file system on the network, an
    /// administrator at work. It keeps its name.
    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let interface = self.there(from)?;
        let asked = |address| {
            self.asked
                .iter()
                .any(|change| matches!(&change.task, Task::Address { address: own, .. } if own.address() == address))
        };
        let mut addresses = self.state.addresses.iter().filter(|address| address.interface == interface.index);
        if let Some(foreign) = addresses.find(|now| !is_link_local(now.address) && !asked(now.address)) {
            let why = format!("{from} is in use: it has the address {}", foreign.address);
            return Err(Error::fatal(why).help("a name is given before somebody configures the interface"));
        }
        let rename = requests::rename(interface.index, to);
        // Newer kernels rename what is up.
        self.ask(rename.clone()).or_else(|_| self.while_down(&interface, |maker| maker.ask(rename)))
    }

    /// Does something that an interface which is up refuses. Its routes are lost on the way; those that are asked for come
    /// later.
    fn while_down(&mut self, interface: &Interface, action: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if !interface.up {
            return action(self);
        }
        self.ask(Interface::set_up(interface.index, false))?;
        let result = action(self);
        self.ask(Interface::set_up(interface.index, true))?;
        result
    }

    fn link(&mut self, name: &str, make: &Make, settings: &[Setting]) -> Result<()> {
        if self.state.interface(name).is_none() {
            let parent = match make {
                Make::Vlan { parent, .. } => self.there(parent)?.index,
                _ => 0,
            };
            match self.socket.request(requests::create(name, make, parent, self.own_mac(name), settings)) {
                Ok(()) => return Ok(()),
                // The module, loaded for this, has made one of that name by itself (`bond0`).
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.state = State::read(self.socket).map_err(refused)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    let advice = format!("the kernel's module for it ({}) is missing in this guest", make.kind());
                    return Err(refused(error).help(advice));
                }
                Err(error) => return Err(refused(error)),
            }
        }
        let interface = self.there(name)?;
        if !is_of_kind(&interface, make, &self.state) {
            let other = if interface.kind.is_empty() { "hardware" } else { &interface.kind };
            let error = Error::fatal(format!("there is another interface `{name}` already, of the kind {other}"));
            return Err(error.help("remove it, or give this one another name"));
        }
        let set = || requests::options(interface.index, make, settings);
        if self.socket.request(set()).is_ok() {
            return Ok(());
        }
        // Some options of a bond want it down, and the mode wants it without members; those come back afterwards.
        self.ask(Interface::set_up(interface.index, false))?;
        if settings.iter().any(|setting| setting.option.kernel == "mode" && !has(&interface, setting)) {
            let members: Vec<u32> =
                self.state.interfaces.iter().filter(|m| m.master == interface.index).map(|m| m.index).collect();
            members.into_iter().try_for_each(|member| self.ask(requests::master(member, 0)))?;
        }
        self.ask(set())
    }

    /// The hardware address that is asked for. An interface gets it as it is made: udev gives another one to what has none
    /// of its own yet (`MACAddressPolicy=persistent`), and may do so just after ours was set.
    fn own_mac(&self, name: &str) -> Option<Mac> {
        self.asked.iter().find_map(|change| match &change.task {
            Task::Mac { name: of, mac } if of == name => Some(*mac),
            _ => None,
        })
    }

    fn enslave(&mut self, name: &str, master: &str) -> Result<()> {
        let (interface, master) = (self.there(name)?, self.there(master)?);
        if interface.master != 0 {
            self.ask(requests::master(interface.index, 0))?;
        }
        if interface.up && master.kind == "bond" {
            self.ask(Interface::set_up(interface.index, false))?;
        }
        self.ask(requests::master(interface.index, master.index))
    }

    fn member(&mut self, name: &str, setting: &Setting) -> Result<()> {
        let index = self.there(name)?.index;
        let message = match setting.option.form {
            model::options::Form::Member => {
                let member = self.there(&setting.value)?.index;
                requests::primary(index, setting.option.attribute, member)
            }
            _ => requests::port(index, setting),
        };
        self.ask(message)
    }

    fn address(&mut self, name: &str, address: &model::Address) -> Result<()> {
        let Some(asked) = address_of(name, address, &self.state) else { return self.there(name).map(drop) };
        let here =
            self.state.addresses.iter().filter(|now| (now.interface, now.address) == (asked.interface, asked.address));
        let other: Vec<_> =
            here.filter(|now| now.length != asked.length || !same_label(now, &asked, name)).cloned().collect();
        other.iter().try_for_each(|other| self.ask(other.remove()))?;
        self.ask(asked.add())
    }

    fn route(&mut self, name: Option<&str>, route: &model::Route) -> Result<()> {
        let Some(asked) = route_of(name, route, &self.state) else {
            return self.there(name.unwrap_or_default()).map(drop);
        };
        let mut waited = Duration::ZERO;
        loop {
            match self.socket.request(asked.replace()) {
                Err(error)
                    if asked.source.is_some_and(|source| source.is_ipv6())
                        && error.kind() == io::ErrorKind::InvalidInput
                        && waited < SURE =>
                {
                    sleep(POLL);
                    waited += POLL;
                }
                Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => {
                    let advice = "its gateway is in no network of the interface: give that an address there, or the \
                                  route `on-link: true`";
                    return Err(refused(error).help(advice));
                }
                result => return result.map_err(refused),
            }
        }
    }
}

fn is_link_local(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(v4) => v4.is_link_local() || v4.is_loopback(),
        std::net::IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

fn refused(error: io::Error) -> Error {
    // Both are `PermissionDenied`, and only the first is about who asks.
    let help = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM) => Some("run as root; in a container, with the capability CAP_NET_ADMIN"),
        Some(Errno::EACCES) => Some("IPv6 is switched off there (`disable_ipv6`); let the image leave it on"),
        _ => None,
    };
    let error = Error::fatal("the kernel refuses it").because(error);
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_root_is_not_told_to_become_root() {
        let advice = |errno: Errno| refused(errno.into()).advice().unwrap_or_default().to_owned();
        assert!(advice(Errno::EPERM).contains("root"));
        assert!(advice(Errno::EACCES).contains("IPv6"));
        assert_eq!(advice(Errno::ENETUNREACH), "");
    }
}
