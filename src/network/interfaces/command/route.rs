// SPDX-License-Identifier: Apache-2.0
//! Routes and rules as ip(8) and the older route(8) are told of them.

use std::net::IpAddr;

use crate::network::interfaces::command::{Words, is_device};
use crate::network::model::{Route, RouteKind, Rule};
use crate::network::prefix::{Prefix, mask_length};

/// `ip route add [KIND] TO [via GATEWAY] …`.
pub(super) fn route(mut words: Words, mut inet6: bool, name: &str) -> Option<Route> {
    let kind = words.peek().and_then(|word| RouteKind::ALL.into_iter().find(|kind| kind.name() == *word));
    if kind.is_some() {
        words.next();
    }
    let to = match words.next()? {
        "to" => words.next()?,
        word => word,
    };
    let mut route = Route::direct(Prefix::host(IpAddr::from([0, 0, 0, 0])));
    route.kind = kind.unwrap_or_default();
    while let Some(word) = words.next() {
        let number = |words: &mut Words| words.next()?.parse::<u32>().ok();
        match word {
            "via" => {
                // Of another family than the route's: `via inet6 fe80::1`.
                let via: IpAddr = words.next()?.parse().ok()?;
                inet6 |= via.is_ipv6();
                route.via = Some(via);
            }
            "dev" => {
                words.next().filter(|word| is_device(word, name))?;
            }
            "metric" | "preference" => route.metric = Some(number(&mut words)?),
            "table" => route.table = table(words.next()?)?,
            "mtu" => {
                words.next_if_eq(&"lock");
                route.mtu = Some(number(&mut words)?);
            }
            "src" => route.from = Some(words.next()?.parse().ok()?),
            "scope" => {
                let scope = words.next()?;
                route.scope = Some(["global", "link", "host"].into_iter().find(|known| *known == scope)?);
            }
            "onlink" => route.on_link = Some(true),
            "proto" | "protocol" => {
                words.next()?;
            }
            _ => return None,
        }
    }
    route.to = match to {
        "default" | "any" | "all" if inet6 => "::/0".parse().ok()?,
        "default" | "any" | "all" => "0.0.0.0/0".parse().ok()?,
        _ => to.parse::<Prefix>().ok()?.network(),
    };
    let fits = |address: Option<IpAddr>| address.is_none_or(|address| route.to.same_family(address));
    (fits(route.via) && fits(route.from)).then_some(route)
}

/// A table's number; the main one is none.
fn table(word: &str) -> Option<Option<u32>> {
    match word {
        "main" | "254" => Some(None),
        "local" => Some(Some(255)),
        "default" => Some(Some(253)),
        _ => word.parse().ok().map(Some),
    }
}

/// `route add [-net|-host] TO [netmask MASK] [gw GATEWAY] [metric N] [dev NAME]`.
pub(super) fn old_route(mut words: Words, name: &str) -> Option<Route> {
    let mut inet6 = false;
    let mut host = false;
    let mut to = None;
    let (mut mask, mut via, mut metric) = (None, None, None);
    let mut adds = false;
    while let Some(word) = words.next() {
        match word {
            "add" if !adds => adds = true,
            "-net" => {}
            "-host" => host = true,
            "-6" | "--inet6" => inet6 = true,
            "-A" => inet6 = words.next()? == "inet6",
            "netmask" => mask = Some(words.next()?),
            "gw" => via = Some(words.next()?.parse::<IpAddr>().ok()?),
            "metric" => metric = Some(words.next()?.parse().ok()?),
            "dev" => {
                words.next().filter(|word| is_device(word, name))?;
            }
            _ if to.is_none() => to = Some(word),
            // Its device may stand at the end without a word before it.
            _ if is_device(word, name) => {}
            _ => return None,
        }
    }
    let to = match to.filter(|_| adds)? {
        "default" if inet6 => "::/0".parse().ok()?,
        "default" => "0.0.0.0/0".parse().ok()?,
        to => {
            let prefix: Prefix = to.parse().ok()?;
            let length = mask.and_then(|mask| mask_length(mask, prefix.address()));
            match length {
                Some(length) => Prefix::new(prefix.address(), length)?,
                // By the class of the address: nobody knows any more, so that it is not guessed.
                None if !host && !to.contains('/') && !inet6 => return None,
                None => prefix,
            }
        }
    };
    via.is_none_or(|via| to.same_family(via)).then_some(Route { via, metric, ..Route::direct(to.network()) })
}

/// `ip rule add [from PREFIX] [to PREFIX] [table N] …`.
pub(super) fn rule(mut words: Words) -> Option<Rule> {
    let mut rule = Rule::default();
    while let Some(word) = words.next() {
        let value = words.next()?;
        let prefix = |value: &str| value.parse::<Prefix>().map(|prefix| prefix.network()).ok();
        let number = |value: &str| match value.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => value.parse().ok(),
        };
        match word {
            "from" if value == "all" => {}
            "to" if value == "all" => {}
            "from" => rule.from = Some(prefix(value)?),
            "to" => rule.to = Some(prefix(value)?),
            "table" | "lookup" => rule.table = Some(table(value)?.unwrap_or(254)),
            "priority" | "pref" | "prio" | "order" => rule.priority = Some(number(value)?),
            "fwmark" => rule.mark = Some(number(value)?),
            "tos" | "dsfield" => rule.tos = Some(u8::try_from(number(value)?).ok()?),
            _ => return None,
        }
    }
    Some(rule)
}
