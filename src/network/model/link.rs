// SPDX-License-Identifier: Apache-2.0
//! A network interface: what it is made of, and all that is configured on it.

use std::net::IpAddr;
use std::ops::Deref;

use crate::finding::{Located, Origin};
use crate::network::model::options::Setting;
use crate::network::model::{Dns, Route, Rule};
use crate::network::prefix::{Mac, Prefix};

/// A value that may be left out, and where it is written.
pub type Given<T> = Option<Located<T>>;

/// A network interface and all that is configured on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name in the configuration, unique, fit for a file name. That of a virtual interface is the interface's name;
    /// that of hardware is not.
    pub id: String,
    /// Where it is described.
    pub origin: Origin,
    /// What it is made of.
    pub kind: Kind,
    /// The hardware address that it gets, in place of its own.
    pub mac: Given<Mac>,
    /// Bytes.
    pub mtu: Given<u32>,
    /// Bytes, for IPv6 alone.
    pub ipv6_mtu: Given<u32>,
    /// Whether DHCP gives it an IPv4 address.
    pub dhcp4: bool,
    /// What of DHCP's answer is used.
    pub dhcp4_overrides: Overrides,
    /// What DHCPv6 gives it.
    pub dhcp6: Option<Dhcp6>,
    /// What of DHCPv6's answer is used.
    pub dhcp6_overrides: Overrides,
    /// Whether the DHCP server knows it by its hardware address, not by a DUID.
    pub dhcp_by_mac: Option<bool>,
    /// Whether it listens to IPv6 routers; `None` leaves it as the guest's manager has it.
    pub accept_ra: Option<bool>,
    /// Whether it gets temporary IPv6 addresses (RFC 8981) and prefers them.
    pub ipv6_privacy: Option<bool>,
    /// Which link-local addresses it gives itself; `None` for the manager's own choice (IPv6 alone).
    pub link_local: Option<LinkLocal>,
    /// Static addresses.
    pub addresses: Vec<Located<Address>>,
    /// Static routes.
    pub routes: Vec<Located<Route>>,
    /// Which routing table is asked for which packets.
    pub rules: Vec<Located<Rule>>,
    /// Its own name servers and search domains.
    pub dns: Dns,
    /// Whether the boot does not wait for it.
    pub optional: bool,
    /// Who brings it up.
    pub activation: Activation,
    /// What only netplan has a word for.
    pub extra: Vec<Located<Extra>>,
}

/// What a link is made of. Members and parents are named by their `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    /// An interface that the (virtual) hardware brings.
    Physical(Physical),
    /// Several as one.
    Bond { members: Vec<Located<String>>, settings: Vec<Located<Setting>> },
    /// A switch.
    Bridge { members: Vec<Located<String>>, settings: Vec<Located<Setting>> },
    /// A part of another's traffic, by its tag (1 to 4094).
    Vlan { id: u16, parent: Located<String> },
    /// Interfaces with a routing table of their own.
    Vrf { table: u32, members: Vec<Located<String>> },
    /// One that leads nowhere.
    Dummy,
    /// `lo`.
    Loopback,
}

/// Hardware.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Physical {
    /// Which.
    pub by: Match,
    /// The name that it gets.
    pub set_name: Given<String>,
    /// Whether a magic packet wakes the machine.
    pub wake_on_lan: Option<bool>,
    /// Whether it is `InfiniBand`, whose hardware address has twenty bytes.
    pub infiniband: bool,
}

/// How an interface is told from its neighbours: all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// By its hardware address.
    pub mac: Given<Mac>,
    /// By its driver, one of these patterns (`virtio*`).
    pub drivers: Vec<Located<String>>,
    /// By the name that the guest's kernel or udev gives it, a pattern (`ens*`).
    pub name: Given<String>,
}

impl Match {
    /// By its hardware address alone.
    pub fn mac(mac: Located<Mac>) -> Self {
        Self { mac: Some(mac), ..Self::default() }
    }

    /// By its name alone.
    pub fn named(name: Located<String>) -> Self {
        Self { name: Some(name), ..Self::default() }
    }
}

impl From<Match> for Physical {
    fn from(by: Match) -> Self {
        Self { by, ..Self::default() }
    }
}

/// How much DHCPv6 gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dhcp6 {
    /// Name servers and the like; the address comes from the router's announcement.
    Stateless,
    /// The address too.
    Stateful,
}

/// What of a DHCP server's answer is used, and what it is told; `None` is the manager's own choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Overrides {
    pub use_dns: Given<bool>,
    pub use_ntp: Given<bool>,
    pub use_hostname: Given<bool>,
    pub use_mtu: Given<bool>,
    pub use_routes: Given<bool>,
    /// `true`, `false` or `route`.
    pub use_domains: Given<String>,
    pub send_hostname: Given<bool>,
    /// The name that is sent in place of the guest's.
    pub hostname: Given<String>,
    pub route_metric: Given<u32>,
}

/// Which link-local addresses an interface gives itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LinkLocal {
    pub ipv4: bool,
    pub ipv6: bool,
}

/// A static address and its prefix length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub prefix: Prefix,
    /// Its label (`eth0:1`), IPv4 alone.
    pub label: Option<String>,
    /// Whether it is deprecated from the start (a preferred lifetime of 0): no connection begins from it.
    pub deprecated: bool,
}

impl From<Prefix> for Address {
    fn from(prefix: Prefix) -> Self {
        Self { prefix, label: None, deprecated: false }
    }
}

impl Deref for Address {
    type Target = Prefix;
    fn deref(&self) -> &Prefix {
        &self.prefix
    }
}

/// Who brings an interface up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Activation {
    /// The manager, at boot.
    #[default]
    Auto,
    /// The manager, when it is plugged.
    Hotplug,
    /// Somebody by hand; the manager leaves it as it is.
    Manual,
    /// Nobody: it is kept down.
    Off,
}

/// A setting that this model has no word for, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: serde_json::Value,
}

impl Link {
    /// A link on which nothing is configured yet.
    pub fn new(id: String, kind: Kind, origin: Origin) -> Self {
        Self {
            id,
            origin,
            kind,
            mac: None,
            mtu: None,
            ipv6_mtu: None,
            dhcp4: false,
            dhcp4_overrides: Overrides::default(),
            dhcp6: None,
            dhcp6_overrides: Overrides::default(),
            dhcp_by_mac: None,
            accept_ra: None,
            ipv6_privacy: None,
            link_local: None,
            addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            dns: Dns::default(),
            optional: false,
            activation: Activation::Auto,
            extra: Vec::new(),
        }
    }

    /// The hardware, where it is that.
    pub fn physical(&self) -> Option<&Physical> {
        match &self.kind {
            Kind::Physical(physical) => Some(physical),
            _ => None,
        }
    }

    /// The links that it is made of, by their `id`.
    pub fn members(&self) -> &[Located<String>] {
        match &self.kind {
            Kind::Bond { members, .. } | Kind::Bridge { members, .. } | Kind::Vrf { members, .. } => members,
            Kind::Vlan { parent, .. } => std::slice::from_ref(parent),
            Kind::Physical(_) | Kind::Dummy | Kind::Loopback => &[],
        }
    }

    /// Whether an address of `family`'s family comes from the network.
    pub fn is_automatic(&self, family: IpAddr) -> bool {
        match family {
            IpAddr::V4(_) => self.dhcp4,
            IpAddr::V6(_) => self.dhcp6.is_some() || self.accept_ra == Some(true),
        }
    }

    /// Whether anything gives it an address.
    pub fn is_configured(&self) -> bool {
        !self.addresses.is_empty() || self.dhcp4 || self.dhcp6.is_some() || self.accept_ra == Some(true)
    }

    /// Whether one of its static networks contains `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|prefix| prefix.contains(address))
    }

    /// Whether it has a static address of `family`'s family.
    pub fn is_static(&self, family: IpAddr) -> bool {
        self.addresses.iter().any(|prefix| prefix.same_family(family))
    }

    /// Whether a route's gateway must be taken to be on this link although no address of the link says so: a /32, or a
    /// gateway of another subnet. Without that the kernel refuses the route ("Nexthop has invalid gateway").
    pub fn is_on_link(&self, route: &Route) -> bool {
        let Some(gateway) = route.via else { return false };
        let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
        // The members of a VRF have the addresses.
        let elsewhere = matches!(self.kind, Kind::Vrf { .. }) || self.is_automatic(gateway);
        let worked_out = !link_local && !self.contains(gateway) && !elsewhere;
        route.on_link.unwrap_or(worked_out)
    }

    /// Says of the routes and rules of a VRF which table they are about: a manager that knows them as those of an
    /// interface takes them for the main one's, and the VRF's default route for the guest's.
    pub fn name_table(&mut self) {
        let Kind::Vrf { table, .. } = self.kind else { return };
        self.routes.iter_mut().for_each(|route| route.value.table = route.table.or(Some(table)));
        self.rules.iter_mut().for_each(|rule| rule.value.table = rule.table.or(Some(table)));
    }

    /// Adds a route; one to the same place by the same gateway is kept once.
    pub fn add_route(&mut self, route: Located<Route>) {
        let same = |other: &Route| (other.to, other.via, other.table) == (route.to, route.via, route.table);
        if !self.routes.iter().any(|other| same(other)) {
            self.routes.push(route);
        }
    }
}
