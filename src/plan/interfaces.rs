// SPDX-License-Identifier: Apache-2.0
//! What of a network the kernel does not have yet: each change held against what is there.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::error::Result;
use crate::netlink::message::{attributes, number as bits};
use crate::netlink::{self, Interface, State};
use crate::network::model::options::{Form, Setting};
use crate::network::model::{self, RouteKind};
use crate::network::prefix::Prefix;
use crate::network::render::kernel::{Change, Make, Task, number};
use crate::root::Tree;

/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;
/// What the kernel makes of an IPv6 route without a metric.
const IPV6_METRIC: u32 = 1024;

/// Those of `asked` that are not so yet; all of them on an image.
///
/// Interfaces are looked for under the names that they will have then. What hangs on an interface that is still to be
/// made is missing, and so is what the kernel will drop on the way.
pub fn missing(asked: &[Change], tree: &dyn Tree) -> Result<Vec<Change>> {
    let Some(mut state) = tree.network()? else { return Ok(asked.to_vec()) };
    let mut missing = Vec::new();
    for change in asked {
        if is_missing(&change.task, &state, tree)? {
            if let Task::Rename { from, to } = &change.task {
                let renamed = state.interfaces.iter_mut().find(|interface| interface.name == *from);
                renamed.into_iter().for_each(|interface| interface.name.clone_from(to));
            }
            missing.push(change.clone());
        }
    }
    Ok(missing)
}

/// Whether the kernel does not have it.
pub fn is_missing(task: &Task, state: &State, tree: &dyn Tree) -> Result<bool> {
    let lacks = |name: &str, lacks: &dyn Fn(&Interface) -> bool| state.interface(name).is_none_or(lacks);
    Ok(match task {
        Task::Rename { from, .. } => state.interface(from).is_some(),
        Task::Link { name, make, settings } => lacks(name, &|interface| !is_made_so(interface, make, settings, state)),
        Task::Mac { name, mac } => lacks(name, &|interface| interface.mac != mac.octets()),
        Task::Mtu { name, mtu } => lacks(name, &|interface| interface.mtu != *mtu),
        Task::Master { name, master } => lacks(name, &|interface| Some(interface.master) != state.index(master)),
        Task::Member { name, setting } => lacks(name, &|interface| !has_member(interface, setting, state)),
        Task::Ipv6 { name, key, value } => {
            let now = tree.read_text(&setting_path(name, key))?;
            now.is_none_or(|now| now.trim() != value.to_string())
        }
        Task::Up { name } => lacks(name, &|interface| !interface.up),
        Task::Address { name, address } => address_of(name, address, state)
            .is_none_or(|asked| !state.addresses.iter().any(|now| is_same(now, &asked, name))),
        Task::Route { name, route } => {
            let asked = route_of(name.as_deref(), route, state);
            asked.is_none_or(|asked| !state.routes.iter().any(|now| leads_so(now, &asked)))
        }
        Task::Rule(rule) => rule_of(rule).is_none_or(|asked| !state.rules.contains(&asked)),
    })
}

/// The file of a setting.
pub fn setting_path(name: &str, key: &str) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/ipv6/conf/{name}/{key}"))
}

/// Whether it is what `make` says, options aside.
pub fn is_of_kind(interface: &Interface, make: &Make, state: &State) -> bool {
    let has = |value: u32| interface.option(1).map(bits) == Some(value);
    interface.kind == make.kind()
        && match make {
            Make::Bond | Make::Bridge | Make::Dummy => true,
            Make::Vlan { id, parent } => has((*id).into()) && state.index(parent) == Some(interface.parent),
            Make::Vrf { table } => has(*table),
        }
}

fn is_made_so(interface: &Interface, make: &Make, settings: &[Setting], state: &State) -> bool {
    is_of_kind(interface, make, state) && settings.iter().all(|setting| has(interface, setting))
}

/// Whether an option of its kind is set so.
pub fn has(interface: &Interface, setting: &Setting) -> bool {
    if setting.option.form == Form::Addresses {
        let (v4, v6) = targets(setting);
        let same = |attribute: u16, wanted: &[Vec<u8>]| {
            let now = attributes(interface.option(attribute).unwrap_or_default(), 0).map(|(_, address)| address);
            now.eq(wanted.iter().map(Vec::as_slice))
        };
        return same(setting.option.attribute, &v4) && (v6.is_empty() || same(IPV6_TARGETS, &v6));
    }
    // The kernel looks at a bond's members each `miimon`, and rounds these down to that.
    let step = match setting.option.kernel {
        "updelay" | "downdelay" => interface.option(MIIMON).map_or(0, bits),
        _ => 0,
    };
    let wanted = number(setting).map(|wanted| wanted - wanted.checked_rem(step).unwrap_or(0));
    interface.option(setting.option.attribute).map(bits) == wanted
}

/// `IFLA_BOND_MIIMON`.
const MIIMON: u16 = 3;

/// `IFLA_BOND_NS_IP6_TARGET`, beside `IFLA_BOND_ARP_IP_TARGET`, which has IPv4's alone.
pub const IPV6_TARGETS: u16 = 31;

/// The addresses of an option, by family.
pub fn targets(setting: &Setting) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in setting.value.split(',').filter_map(|address| address.parse().ok()) {
        match address {
            IpAddr::V4(address) => v4.push(address.octets().to_vec()),
            IpAddr::V6(address) => v6.push(address.octets().to_vec()),
        }
    }
    (v4, v6)
}

fn has_member(interface: &Interface, setting: &Setting, state: &State) -> bool {
    let attribute = setting.option.attribute;
    match setting.option.form {
        Form::Member => interface.option(attribute).map(bits) == state.index(&setting.value),
        _ => {
            let now = interface.port.iter().find(|(kind, _)| *kind == attribute).map(|(_, value)| bits(value));
            now == number(setting)
        }
    }
}

/// The address as the kernel has it; `None` while its interface is not there.
pub fn address_of(name: &str, address: &model::Address, state: &State) -> Option<netlink::Address> {
    Some(netlink::Address {
        interface: state.index(name)?,
        address: address.address(),
        length: address.length(),
        label: address.label.clone(),
        deprecated: address.deprecated,
        tentative: false,
    })
}

fn is_same(now: &netlink::Address, asked: &netlink::Address, name: &str) -> bool {
    let place = |address: &netlink::Address| (address.interface, address.address, address.length, address.deprecated);
    place(now) == place(asked) && same_label(now, asked, name)
}

/// The kernel's own choice of a label is the interface's name.
pub fn same_label(now: &netlink::Address, asked: &netlink::Address, name: &str) -> bool {
    now.label.as_deref().unwrap_or(name) == asked.label.as_deref().unwrap_or(name)
}

/// The route as the kernel has it; `None` while its interface is not there.
pub fn route_of(name: Option<&str>, route: &model::Route, state: &State) -> Option<netlink::Route> {
    let ipv4 = route.to.address().is_ipv4();
    let kind = match route.kind {
        RouteKind::Unicast => 1,
        RouteKind::Local => 2,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
    };
    // As ip-route(8) chooses it.
    let scope = match (route.scope, route.kind) {
        _ if !ipv4 => 0,
        (Some("link"), _) => 253,
        (Some("host"), _) | (None, RouteKind::Local) => 254,
        (None, RouteKind::Unicast) if route.via.is_none() => 253,
        _ => 0,
    };
    Some(netlink::Route {
        to: pair(route.to),
        table: route.table.unwrap_or(MAIN),
        kind,
        scope,
        metric: route.metric.unwrap_or(if ipv4 { 0 } else { IPV6_METRIC }),
        via: route.via,
        interface: match name {
            Some(name) => state.index(name)?,
            None => 0,
        },
        source: route.from,
        mtu: route.mtu.unwrap_or(0),
        on_link: route.on_link == Some(true),
    })
}

/// Whether packets take one as the other. Without an interface asked, and without a source, the kernel chooses; whether a
/// gateway had to be said to be on the link makes no difference once it is there.
fn leads_so(now: &netlink::Route, asked: &netlink::Route) -> bool {
    let interface = if asked.interface == 0 { 0 } else { now.interface };
    let source = asked.source.and(now.source);
    netlink::Route { interface, source, on_link: asked.on_link, ..now.clone() } == *asked
}

/// The rule as the kernel has it; `None` where it names no address, so that its family is unknown.
pub fn rule_of(rule: &model::Rule) -> Option<netlink::Rule> {
    let some = rule.from.or(rule.to)?;
    let any = Prefix::default_of(some.address());
    Some(netlink::Rule {
        from: pair(rule.from.unwrap_or(any)),
        to: pair(rule.to.unwrap_or(any)),
        table: rule.table.unwrap_or(MAIN),
        priority: rule.priority.unwrap_or(0),
        mark: rule.mark.unwrap_or(0),
        tos: rule.tos.unwrap_or(0),
    })
}

fn pair(prefix: Prefix) -> netlink::Prefix {
    let network = prefix.network();
    (network.address(), network.length())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::network::model::options::{BOND, LinkOption};
    use crate::root::Stat;
    use std::path::Path;

    /// A running system with this network and no files.
    struct Running(State);

    impl Tree for Running {
        fn stat(&self, _: &Path) -> Result<Option<Stat>> {
            Ok(None)
        }
        fn read(&self, _: &Path) -> Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn read_link(&self, _: &Path) -> Result<Option<PathBuf>> {
            Ok(None)
        }
        fn list(&self, _: &Path) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
        fn is_live(&self) -> bool {
            true
        }
        fn owners(&self) -> bool {
            true
        }
        fn network(&self) -> Result<Option<State>> {
            Ok(Some(self.0.clone()))
        }
    }

    fn interface(index: u32, name: &str) -> Interface {
        Interface { index, name: name.to_owned(), mtu: 1500, up: true, ..Interface::default() }
    }

    fn setting(name: &str, value: &str) -> Setting {
        Setting { option: LinkOption::named(BOND, name).unwrap(), value: value.to_owned(), member: None }
    }

    fn lines(tasks: Vec<Task>, state: State) -> Vec<String> {
        let changes = tasks.into_iter().map(|task| Change { task, origin: Origin::document("d") });
        let missing = missing(&changes.collect::<Vec<_>>(), &Running(state)).unwrap();
        missing.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_follows_a_rename_is_looked_for_under_the_new_name() {
        let state = State { interfaces: vec![interface(2, "eth0"), interface(3, "eth1")], ..State::default() };
        let name = |name: &str| name.to_owned();
        let tasks = vec![
            Task::Rename { from: name("eth0"), to: name("lan") },
            Task::Mtu { name: name("lan"), mtu: 1500 },
            Task::Mtu { name: name("eth1"), mtu: 1400 },
            Task::Up { name: name("lan") },
            Task::Up { name: name("br0") },
        ];
        let expected = ["link set dev eth0 name lan", "link set dev eth1 mtu 1400", "link set dev br0 up"];
        assert_eq!(lines(tasks, state), expected);
    }

    #[test]
    fn an_option_is_set_where_the_kernel_shows_it_in_its_own_terms() {
        let number = |attribute: u16, value: u32| (attribute, value.to_ne_bytes().to_vec());
        let target = [[8u16, 0].map(u16::to_ne_bytes).concat(), vec![192, 0, 2, 1]].concat();
        let options = vec![(1, vec![4]), number(3, 100), number(4, 200), (8, target)];
        let bond = Interface { kind: "bond".to_owned(), options, ..interface(4, "bond0") };
        for (name, value, is) in [
            ("mode", "802.3ad", true),
            ("mode", "balance-rr", false),
            ("updelay", "250", true),
            ("updelay", "300", false),
            ("arp_ip_target", "192.0.2.1", true),
            ("arp_ip_target", "192.0.2.1,192.0.2.2", false),
            ("min_links", "1", false),
        ] {
            assert_eq!(has(&bond, &setting(name, value)), is, "{name} {value}");
        }
        let state = State { interfaces: vec![bond.clone()], ..State::default() };
        assert!(is_of_kind(&bond, &Make::Bond, &state) && !is_of_kind(&bond, &Make::Bridge, &state));
    }

    #[test]
    fn a_route_is_there_whatever_the_kernel_added_to_it() {
        let route = model::Route::new("10.0.0.0/8".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let mut state = State { interfaces: vec![interface(2, "eth0")], ..State::default() };
        let there = |state: &State| {
            let task = Task::Route { name: Some("eth0".to_owned()), route: route.clone() };
            lines(vec![task], state.clone()).is_empty()
        };
        assert!(!there(&state));
        let kernels = route_of(Some("eth0"), &route, &state).unwrap();
        let from = Some("192.0.2.5".parse().unwrap());
        state.routes = vec![netlink::Route { source: from, on_link: true, ..kernels.clone() }];
        assert!(there(&state));
        for other in [
            netlink::Route { metric: 5, ..kernels.clone() },
            netlink::Route { table: 7, ..kernels.clone() },
            netlink::Route { interface: 3, ..kernels.clone() },
            netlink::Route { via: None, ..kernels.clone() },
        ] {
            state.routes = vec![other];
            assert!(!there(&state), "{:?}", state.routes);
        }
    }
}
