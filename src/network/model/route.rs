// SPDX-License-Identifier: Apache-2.0
//! Routes, and the rules that choose a routing table.

use std::net::IpAddr;

use crate::finding::Located;
use crate::network::model::Extra;
use crate::network::prefix::Prefix;

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; host bits cleared.
    pub to: Prefix,
    /// The gateway, of the same family; `None` for what is on the link itself, or goes nowhere.
    pub via: Option<IpAddr>,
    /// The source address of packets that take it.
    pub from: Option<IpAddr>,
    /// Less is preferred; `None` is the manager's default.
    pub metric: Option<u32>,
    /// The routing table; `None` is the main one (or that of the link's VRF).
    pub table: Option<u32>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// Whether the gateway is taken to be on the link although no address says so; `None` lets us work it out.
    pub on_link: Option<bool>,
    /// What becomes of a packet.
    pub kind: RouteKind,
    /// How far it reaches: `global`, `link` or `host`; `None` is what the kernel makes of it.
    pub scope: Option<&'static str>,
    /// What only netplan has a word for.
    pub extra: Vec<Located<Extra>>,
}

/// What becomes of a packet that takes a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RouteKind {
    /// It goes on.
    #[default]
    Unicast,
    /// It is for this machine.
    Local,
    /// It is dropped in silence.
    Blackhole,
    /// It is refused: host unreachable.
    Unreachable,
    /// It is refused: prohibited.
    Prohibit,
    /// The next rule is asked.
    Throw,
}

impl RouteKind {
    /// All of them.
    pub const ALL: [RouteKind; 6] = [
        RouteKind::Unicast,
        RouteKind::Local,
        RouteKind::Blackhole,
        RouteKind::Unreachable,
        RouteKind::Prohibit,
        RouteKind::Throw,
    ];

    /// Its word in ip-route(8), netplan and networkd.
    pub fn name(self) -> &'static str {
        match self {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            RouteKind::Throw => "throw",
        }
    }
}

impl Route {
    /// The plain kind: by a gateway.
    pub fn new(to: Prefix, via: IpAddr) -> Self {
        Self { via: Some(via), ..Self::direct(to) }
    }

    /// Without a gateway.
    pub fn direct(to: Prefix) -> Self {
        Self {
            to,
            via: None,
            from: None,
            metric: None,
            table: None,
            mtu: None,
            on_link: None,
            kind: RouteKind::Unicast,
            scope: None,
            extra: Vec::new(),
        }
    }
}

/// A rule of the routing policy (ip-rule(8)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Packets from there.
    pub from: Option<Prefix>,
    /// Packets to there.
    pub to: Option<Prefix>,
    /// The table that is asked.
    pub table: Option<u32>,
    /// Less is asked earlier.
    pub priority: Option<u32>,
    /// Packets with this mark.
    pub mark: Option<u32>,
    /// Packets with this type of service.
    pub tos: Option<u8>,
}
