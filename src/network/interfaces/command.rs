// SPDX-License-Identifier: Apache-2.0
//! Commands of a stanza that say what the model knows: `ip route add`, `ip rule add`, `route add`, and a few more.
//! Nothing is run; what is not understood to its last word is not understood at all.

use std::net::IpAddr;

use crate::finding::Located;
use crate::network::model::{Address, Kind, Link, Route, RouteKind, Rule};
use crate::network::prefix::{Prefix, mask_length};

/// Words of a command.
type Words<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

/// The command without its path and without what becomes of its output and its failure.
fn words(text: &str) -> Words<'_> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    const TAILS: [&[&str]; 6] =
        [&["||", "true"], &["||", ":"], &["2>/dev/null"], &["2>&1"], &[">/dev/null"], &[">", "/dev/null"]];
    while let Some(tail) = TAILS.iter().find(|tail| words.ends_with(tail)) {
        words.truncate(words.len() - tail.len());
    }
    if let Some(program) = words.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default();
    }
    words.into_iter().peekable()
}

/// Does to the link what the command says; `false` where that is not understood.
pub fn apply(text: &Located<String>, link: &mut Link) -> bool {
    understood(text, link).is_some()
}

/// Whether the command only takes back what such a command does, which nobody needs to be told.
pub fn undoes(text: &str) -> bool {
    let mut words = words(text);
    let program = words.next();
    let undoes = words.any(|word| ["del", "delete", "flush", "down"].contains(&word));
    undoes && matches!(program, Some("ip" | "route" | "ifconfig")) && !text.contains([';', '&', '`'])
}

fn understood(text: &Located<String>, link: &mut Link) -> Option<()> {
    let mut words = words(text);
    let mut inet6 = false;
    match words.next()? {
        "route" => {
            let route = old_route(words, &link.id)?;
            link.add_route(Located::new(route, text.origin.clone()));
            return Some(());
        }
        "ethtool" => {
            let mut expected = |word: &str| words.next().filter(|next| *next == word);
            let device = |word: &str| is_device(word, &link.id);
            expected("-s").or(None)?;
            words.next().filter(|word| device(word))?;
            words.next().filter(|word| *word == "wol")?;
            let on = words.next().filter(|word| ["g", "d"].contains(word))? == "g";
            if let Kind::Physical(physical) = &mut link.kind {
                physical.wake_on_lan = Some(on);
            }
            return words.next().is_none().then_some(());
        }
        "ip" => {}
        _ => return None,
    }
    while let Some(word) = words.next_if(|word| word.starts_with('-')) {
        match word {
            "-4" => {}
            "-6" => inet6 = true,
            "-f" | "-family" => inet6 = words.next()? == "inet6",
            _ => return None,
        }
    }
    let object = words.next()?;
    let verb = words.next()?;
    let adds = ["add", "a", "replace", "append", "change"].contains(&verb);
    match object {
        "route" | "ro" | "r" if adds => {
            let route = route(words, inet6, &link.id)?;
            link.add_route(Located::new(route, text.origin.clone()));
        }
        "rule" | "ru" if adds => {
            let rule = rule(words)?;
            link.rules.push(Located::new(rule, text.origin.clone()));
        }
        "address" | "addr" | "a" if adds => {
            let address = address(words, &link.id)?;
            if link.addresses.iter().all(|other| other.prefix != address.prefix) {
                link.addresses.push(Located::new(address, text.origin.clone()));
            }
        }
        "link" | "l" if verb == "set" => device(words, text, link)?,
        _ => return None,
    }
    Some(())
}

fn is_device(word: &str, name: &str) -> bool {
    word == name || ["$IFACE", "${IFACE}", "\"$IFACE\"", "%i"].contains(&word)
}

/// `ip route add [KIND] TO [via GATEWAY] …`.
fn route(mut words: Words, mut inet6: bool, name: &str) -> Option<Route> {
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
fn old_route(mut words: Words, name: &str) -> Option<Route> {
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
fn rule(mut words: Words) -> Option<Rule> {
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

/// `ip address add PREFIX dev NAME [label LABEL] [preferred_lft 0]`.
fn address(mut words: Words, name: &str) -> Option<Address> {
    let mut address = Address::from(words.next()?.parse::<Prefix>().ok()?);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word {
            "dev" if is_device(value, name) => {}
            "label" => address.label = Some(value.to_owned()).filter(|label| label != name),
            "preferred_lft" => address.deprecated = value == "0",
            "brd" | "broadcast" => {}
            _ => return None,
        }
    }
    let fits = |label: &String| label.split_once(':').is_some_and(|(head, _)| head == name) && label.len() <= 15;
    address.label.as_ref().is_none_or(fits).then_some(address)
}

/// `ip link set [dev] NAME [up] [mtu N] [address MAC]`.
fn device(mut words: Words, text: &Located<String>, link: &mut Link) -> Option<()> {
    words.next_if_eq(&"dev");
    words.next().filter(|word| is_device(word, &link.id))?;
    let (mut mtu, mut mac) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "up" => {}
            "mtu" => mtu = Some(words.next()?.parse::<u32>().ok().filter(|mtu| (68..=65535).contains(mtu))?),
            "address" | "addr" => mac = Some(words.next()?.parse().ok()?),
            _ => return None,
        }
    }
    let at = &text.origin;
    link.mtu = mtu.map(|mtu| Located::new(mtu, at.clone())).or(link.mtu.take());
    link.mac = mac.map(|mac| Located::new(mac, at.clone())).or(link.mac.take());
    Some(())
}
