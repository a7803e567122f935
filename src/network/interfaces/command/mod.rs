// SPDX-License-Identifier: Apache-2.0
//! Commands of a stanza that say what the model knows: `ip route add`, `ip rule add`, `route add`, and a few more.
//! Nothing is run; what is not understood to its last word is not understood at all.

mod route;

use crate::finding::{Findings, Located};
use crate::network::interfaces::command::route::{old_route, route, rule};
use crate::network::interfaces::device;
use crate::network::interfaces::stanza::Entry;
use crate::network::model::{Address, Kind, Link, LinkLocal};
use crate::network::prefix::Prefix;
use crate::network::words::{IPV6_MTU, MTU, VLAN, is_interface_name, is_of_name};

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

/// Does to the link what the command says, and tells the master that it puts it into; `None` where it is not understood.
pub fn apply(text: &Located<String>, link: &mut Link) -> Option<Option<String>> {
    let mut master = None;
    understood(text, link, &mut master).map(|()| master)
}

/// Whether the command only takes back what such a command does, which nobody needs to be told.
pub fn undoes(text: &str) -> bool {
    let mut words = words(text);
    let program = words.next();
    let undoes = words.any(|word| ["del", "delete", "flush", "down"].contains(&word));
    undoes && matches!(program, Some("ip" | "route" | "ifconfig")) && !text.contains([';', '&', '`'])
}

fn understood(text: &Located<String>, link: &mut Link, master: &mut Option<String>) -> Option<()> {
    // As our own renderer writes it, for what may be there already.
    let mut words = words(text.strip_prefix("[ -e /sys/class/net/$IFACE ] || ").unwrap_or(text));
    let mut inet6 = false;
    match words.next()? {
        "route" => {
            let route = old_route(words, &link.id)?;
            link.add_route(Located::new(route, text.origin.clone()));
            return Some(());
        }
        "ethtool" => {
            words.next_if_eq(&"-s")?;
            words.next().filter(|word| is_device(word, &link.id))?;
            words.next_if_eq(&"wol")?;
            let on = words.next().filter(|word| ["g", "d"].contains(word))? == "g";
            if let Kind::Physical(physical) = &mut link.kind {
                physical.wake_on_lan = Some(on);
            }
            return words.next().is_none().then_some(());
        }
        "echo" => {
            let value = words.next()?;
            let file = words.next_if_eq(&">").and_then(|_| words.next())?;
            written(file, value, text, link)?;
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
        "link" | "l" if verb == "set" => *master = link_set(words, text, link)?,
        "link" | "l" if verb == "add" => link.kind = made(words, text, link)?,
        _ => return None,
    }
    Some(())
}

fn is_device(word: &str, name: &str) -> bool {
    word == name || ["$IFACE", "${IFACE}", "\"$IFACE\"", "%i"].contains(&word)
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
    let fits = |label: &String| {
        label.len() <= 15 && label.split_once(':').is_some_and(|(head, own)| head == name && is_label(own))
    };
    address.label.as_ref().is_none_or(fits).then_some(address)
}

/// Whether it can stand behind the colon of a label.
pub fn is_label(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_name)
}

/// `ip link add [link PARENT name] NAME type vlan id N`, `… type dummy`.
fn made(mut words: Words, text: &Located<String>, link: &Link) -> Option<Kind> {
    let parent = match words.next_if_eq(&"link") {
        Some(_) => Some(words.next().filter(|parent| is_interface_name(parent))?.to_owned()),
        None => None,
    };
    words.next_if_eq(&"name");
    words.next().filter(|word| is_device(word, &link.id))?;
    words.next_if_eq(&"type")?;
    let kind = match (words.next()?, parent) {
        ("dummy", None) => Kind::Dummy,
        ("vrf", None) => {
            words.next_if_eq(&"table")?;
            Kind::Vrf { table: words.next()?.parse().ok()?, members: Vec::new() }
        }
        ("vlan", Some(parent)) => {
            words.next_if_eq(&"id")?;
            let id = words.next()?.parse().ok().filter(|id| VLAN.contains(id))?;
            Kind::Vlan { id, parent: Located::new(parent, text.origin.clone()) }
        }
        _ => return None,
    };
    words.next().is_none().then_some(kind)
}

/// `echo VALUE > FILE`, a file of the kernel's that is about the link or, for a bridge, about one of its ports.
fn written(file: &str, value: &str, text: &Located<String>, link: &mut Link) -> Option<()> {
    if let Some(key) = file.strip_prefix("/proc/sys/net/ipv6/conf/$IFACE/") {
        match (key, value) {
            ("accept_ra", "0" | "1") => link.accept_ra = Some(value == "1"),
            ("use_tempaddr", "0" | "2") => link.ipv6_privacy = Some(value == "2"),
            ("addr_gen_mode", "1") => link.link_local = Some(LinkLocal { ipv4: false, ipv6: false }),
            ("mtu", _) => {
                let mtu = value.parse().ok().filter(|mtu| (IPV6_MTU..=*MTU.end()).contains(mtu))?;
                link.ipv6_mtu = Some(Located::new(mtu, text.origin.clone()));
            }
            _ => return None,
        }
        return Some(());
    }
    let (name, key) = file.strip_prefix("/sys/class/net/")?.split_once('/')?;
    let (key, value) = match key.split_once('/')? {
        ("bonding", key) if is_device(name, &link.id) => (format!("bond-{key}"), value.to_owned()),
        ("brport", "path_cost") => ("bridge-pathcost".to_owned(), format!("{name} {value}")),
        ("brport", "priority") => ("bridge-portprio".to_owned(), format!("{name} {value}")),
        _ => return None,
    };
    let mut findings = Findings::default();
    let known = device::apply(&Entry::new(&key, &value, text.origin.clone()), link, &mut findings);
    (known && findings.is_empty()).then_some(())
}

/// `ip link set [dev] NAME [up] [mtu N] [address MAC] [master NAME]`; given back is the master.
fn link_set(mut words: Words, text: &Located<String>, link: &mut Link) -> Option<Option<String>> {
    words.next_if_eq(&"dev");
    words.next().filter(|word| is_device(word, &link.id))?;
    let (mut mtu, mut mac, mut master) = (None, None, None);
    while let Some(word) = words.next() {
        match word {
            "up" => {}
            "mtu" => mtu = Some(words.next()?.parse::<u32>().ok().filter(|mtu| MTU.contains(mtu))?),
            "address" | "addr" => mac = Some(words.next()?.parse().ok()?),
            "master" => master = Some(words.next()?.to_owned()),
            _ => return None,
        }
    }
    let at = &text.origin;
    link.mtu = mtu.map(|mtu| Located::new(mtu, at.clone())).or(link.mtu.take());
    link.mac = mac.map(|mac| Located::new(mac, at.clone())).or(link.mac.take());
    Some(master)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::network::model::{Match, Route};

    fn link() -> Link {
        let by = Match::named(Located::new("eth0".to_owned(), Origin::document("d")));
        Link::new("eth0".to_owned(), Kind::Physical(by.into()), Origin::document("d"))
    }

    fn applied(command: &str) -> Option<Link> {
        let mut link = link();
        apply(&Located::new(command.to_owned(), Origin::document("d")), &mut link).map(|_| link)
    }

    #[test]
    fn a_route_is_understood_however_it_is_written() {
        let shown = |command: &str| {
            let link = applied(command).unwrap_or_else(|| panic!("{command}"));
            let Route { to, via, metric, table, .. } = link.routes[0].value.clone();
            format!("{to} {via:?} {metric:?} {table:?}").replace("Some", "").replace("None", "-")
        };
        for (command, route) in [
            ("ip route add 10.0.0.0/8 via 192.0.2.1", "10.0.0.0/8 (192.0.2.1) - -"),
            ("/sbin/ip -4 r a 10.1.2.3/8 via 192.0.2.1 dev $IFACE metric 5 || true", "10.0.0.0/8 (192.0.2.1) (5) -"),
            ("ip -6 route replace default via fe80::1 dev eth0 table 7", "::/0 (fe80::1) - (7)"),
            ("ip route add default via 2001:db8::1", "::/0 (2001:db8::1) - -"),
            ("ip route add 192.0.2.9 dev eth0 table main proto static", "192.0.2.9/32 - - -"),
            ("ip route add unreachable 10.0.0.0/8 metric 9", "10.0.0.0/8 - (9) -"),
            ("route add -net 10.0.0.0 netmask 255.0.0.0 gw 192.0.2.1 metric 2", "10.0.0.0/8 (192.0.2.1) (2) -"),
            ("route add -net 10.0.0.0/8 gw 192.0.2.1 eth0", "10.0.0.0/8 (192.0.2.1) - -"),
            ("route add -host 192.0.2.7 dev eth0 2>/dev/null", "192.0.2.7/32 - - -"),
            ("route -A inet6 add 2001:db8::/32 gw fe80::1", "2001:db8::/32 (fe80::1) - -"),
            ("route add default gw 192.0.2.1", "0.0.0.0/0 (192.0.2.1) - -"),
        ] {
            assert_eq!(shown(command), route, "{command}");
        }
    }

    #[test]
    fn a_command_with_a_word_that_is_not_understood_is_not_half_done() {
        for command in [
            "ip route add 10.0.0.0/8 via 192.0.2.1; reboot",
            "ip route add 10.0.0.0/8 via 192.0.2.1 && ip route add 10.1.0.0/16 via 192.0.2.1",
            "ip route add 10.0.0.0/8 via $(gateway)",
            "ip route add 10.0.0.0/8 via 192.0.2.1 dev eth1",
            "ip route add 10.0.0.0/8 via fe80::1",
            "ip route add 10.0.0.0/8 via",
            "ip route add 10.0.0.0/8 nexthop via 192.0.2.1 weight 1",
            "ip route del 10.0.0.0/8",
            "ip rule add from 192.0.2.1 blackhole x",
            "ip addr add 192.0.2.1/24 dev eth0 label eth0:a;b",
            "ip link add $IFACE type vlan id 7",
            "ip link set eth1 mtu 1400",
            "ip link set eth0 mtu 7",
            "route add -net 10.0.0.0 gw 192.0.2.1",
            "echo 1 > /etc/passwd",
            "echo 1 > /sys/class/net/eth1/bonding/miimon",
            "echo x > /sys/class/net/$IFACE/bonding/miimon",
            "ethtool -s eth0 speed 100",
            "",
        ] {
            assert_eq!(applied(command), None, "{command}");
        }
    }

    #[test]
    fn what_only_takes_back_is_passed_over_and_nothing_else() {
        assert!(undoes("ip route del 10.0.0.0/8") && undoes("/sbin/route del default || true"));
        assert!(!undoes("ip route del 10.0.0.0/8; reboot") && !undoes("rm del") && !undoes(""));
    }
}
