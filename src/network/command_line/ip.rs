// SPDX-License-Identifier: Apache-2.0
//! `ip=` as the kernel and klibc have it (Documentation/admin-guide/nfs/nfsroot.rst) and as dracut does (dracut.cmdline(7)),
//! with what belongs to it: `ifname=`, `nameserver=`, `rd.route=`, `rd.peerdns=`, `BOOTIF=`.

use std::net::IpAddr;

use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Nic;
use crate::network::command_line::{Line, fields, made};
use crate::network::fallback::{best, meaning};
use crate::network::model::{Address, Dhcp6, Kind, Link, LinkLocal, Match, NetworkConfig, Physical, Route, push_new};
use crate::network::prefix::{Mac, Prefix, mask_length};
use crate::network::words::{self, is_interface_name};

/// Interfaces in one command line.
const LINK_LIMIT: usize = 200;

/// The network as far as it has been read.
pub(super) struct Reader<'a> {
    pub(super) line: &'a Line<'a>,
    nics: Option<&'a [Nic]>,
    /// What `ifname=` calls which card.
    names: Vec<(&'a str, Located<Mac>)>,
    pub(super) config: NetworkConfig,
}

/// Interfaces one by one; `None` where no word asks for one.
pub fn read(line: &Line, nics: Option<&[Nic]>, findings: &mut Findings) -> Option<NetworkConfig> {
    let config = NetworkConfig::new(line.origin.clone());
    let mut reader = Reader { line, nics, names: names(line, findings), config };
    made::read(&mut reader, findings);
    for (value, origin) in line.values("ip") {
        reader.ip(value, &origin, findings);
    }
    for (value, origin) in line.values("ip6") {
        // Only a word, as initramfs-tools has it; where it is the device's, too.
        let word = value.strip_suffix("dhcp").map_or_else(|| value.to_owned(), |device| format!("{device}dhcp6"));
        reader.ip(&word, &origin, findings);
    }
    if reader.config.links.is_empty() {
        for (value, origin) in line.values("rd.route") {
            let message = format!("no interface is configured for the route `{value}`; it is left out");
            findings.push(Finding::error(&origin, message));
        }
        return None;
    }
    for (value, origin) in line.values("nameserver") {
        if let Some(server) = address(fields(value).first().copied().unwrap_or_default(), &origin, findings) {
            push_new(&mut reader.config.dns.servers, server);
        }
    }
    line.values("rd.route").for_each(|(value, origin)| reader.route(value, &origin, findings));
    if let Some((_, origin)) = line.values("rd.peerdns").last().filter(|(value, _)| *value == "0") {
        for link in &mut reader.config.links {
            let unused = Some(Located::new(false, origin.clone()));
            (link.dhcp4_overrides.use_dns, link.dhcp6_overrides.use_dns) = (unused.clone(), unused);
        }
    }
    Some(reader.config)
}

fn names<'a>(line: &Line<'a>, findings: &mut Findings) -> Vec<(&'a str, Located<Mac>)> {
    let mut names = Vec::new();
    for (value, origin) in line.values("ifname") {
        match value.split_once(':').map(|(name, mac)| (name, mac.parse::<Mac>())) {
            Some((name, Ok(mac))) if is_interface_name(name) => names.push((name, Located::new(mac, origin))),
            _ => findings.push(Finding::error(&origin, format!("`{value}` is not NAME:MAC; it is left out"))),
        }
    }
    names
}

impl Reader<'_> {
    /// One word: an automatic way alone (`dhcp`), with its device (`ens3:dhcp`), or all fields.
    fn ip(&mut self, value: &str, origin: &Origin, findings: &mut Findings) {
        let fields = fields(value);
        let field = |number: usize| fields.get(number).copied().unwrap_or_default();
        let first = field(0);
        let fixed = first.parse::<IpAddr>().ok();
        let (device, way, rest) = match (first, fields.len()) {
            ("off" | "none" | "", 1) => return,
            _ if first.is_empty() || fixed.is_some() => (field(5), field(6), fields.get(7..)),
            (_, 1) => ("", first, None),
            _ => (first, field(1), fields.get(2..)),
        };
        let by_hand = ["none", "off", "static"].contains(&way) || way.is_empty() && fixed.is_some();
        let ways: Vec<Way> = match by_hand {
            true => Vec::new(),
            false => way.split(',').filter_map(|way| automatic(way, origin, findings)).collect(),
        };
        if !by_hand && ways.is_empty() {
            // An interface that is configured with nothing would lose what it has.
            return;
        }
        let Some(link) = self.link(device, origin, findings) else { return };
        if let Some(fixed) = fixed.filter(|_| by_hand) {
            let (gateway, mask) = (field(2), field(3));
            place(link, fixed, gateway, mask, origin, findings);
        }
        for way in ways {
            match way {
                Way::Dhcp => link.dhcp4 = true,
                Way::Dhcp6 => link.dhcp6 = Some(Dhcp6::Stateful),
                Way::Announced => link.accept_ra = Some(true),
                Way::LinkLocal { ipv4 } => link.link_local = Some(LinkLocal { ipv4, ipv6: true }),
            }
        }
        further(link, rest.unwrap_or_default(), origin, findings);
    }

    fn route(&mut self, value: &str, origin: &Origin, findings: &mut Findings) {
        let fields = fields(value);
        let field = |number: usize| fields.get(number).copied().unwrap_or_default();
        let (to, via) = (field(0).parse::<Prefix>(), field(1).parse::<IpAddr>());
        let (Ok(to), Ok(via)) = (to, via) else {
            let message = format!("`{value}` is not NETWORK/LENGTH:GATEWAY[:DEVICE]; it is left out");
            return findings.push(Finding::error(origin, message));
        };
        if !words::goes_by(to, via, origin, findings) {
            return;
        }
        let links = &mut self.config.links;
        let named = links.iter().position(|link| link.id == field(2));
        let place = named.or_else(|| links.iter().position(|link| link.addresses.iter().any(|own| own.contains(via))));
        if let Some(link) = links.get_mut(place.unwrap_or(0)) {
            link.add_route(Located::new(Route::new(to.network(), via), origin.clone()));
        }
    }

    /// The link of a device; hardware that was not spoken of yet is added. Without a name it is that which the machine
    /// booted from, else the best.
    pub(super) fn link(&mut self, device: &str, origin: &Origin, findings: &mut Findings) -> Option<&mut Link> {
        let at = |name: &str| Located::new(name.to_owned(), origin.clone());
        let known = self.names.iter().find(|(name, _)| *name == device);
        let (id, physical) = if let Some((name, mac)) = known {
            (device.to_owned(), Physical { set_name: Some(at(name)), ..Match::mac(mac.clone()).into() })
        } else if device.is_empty() || device == "BOOTIF" {
            self.unnamed(origin, findings)?
        } else if is_interface_name(device) {
            (device.to_owned(), Match::named(at(device)).into())
        } else if let Ok(mac) = device.parse::<Mac>() {
            self.by_mac(mac, origin)
        } else {
            findings
                .push(Finding::error(origin, format!("`{device}` is not the name of an interface; it is left out")));
            return None;
        };
        let place = self.config.links.iter().position(|link| link.id == id);
        let place = place.unwrap_or(self.config.links.len());
        if place == LINK_LIMIT {
            findings.push(Finding::error(origin, format!("interfaces after the first {LINK_LIMIT} are left out")));
        } else if place == self.config.links.len() {
            self.config.links.push(Link::new(id, Kind::Physical(physical), origin.clone()));
        }
        self.config.links.get_mut(place)
    }

    fn by_mac(&self, mac: Mac, origin: &Origin) -> (String, Physical) {
        let text = mac.to_string();
        let nic = self.nics.unwrap_or_default().iter().find(|nic| nic.mac == text);
        let id = nic.map_or_else(|| format!("mac{}", text.replace(':', "")), |nic| nic.name.clone());
        (id, Match::mac(Located::new(mac, origin.clone())).into())
    }

    fn unnamed(&self, origin: &Origin, findings: &mut Findings) -> Option<(String, Physical)> {
        // PXELINUX's word: the hardware's type, then the MAC.
        let booted = self.line.values("BOOTIF").last().and_then(|(value, _)| value.get(3..)?.parse().ok());
        if let Some(mac) = booted {
            return Some(self.by_mac(mac, origin));
        }
        let Some(nic) = best(self.nics.unwrap_or_default()) else {
            let nobody = "it names no interface, and there is none to choose; it is left out";
            findings.push(
                Finding::error(origin, nobody).help("name one: `ip=ens3:dhcp`, `ip=ADDRESS::GATEWAY:MASK::ens3:none`"),
            );
            return None;
        };
        Some((nic.name.clone(), meaning(nic, origin).into()))
    }
}

/// A static address and its default route. Without a mask it has that of its class, as for the kernel.
fn place(link: &mut Link, own: IpAddr, gateway: &str, mask: &str, origin: &Origin, findings: &mut Findings) {
    let class = match own {
        IpAddr::V4(own) if own.to_bits() >> 31 == 0 => 8,
        IpAddr::V4(own) if own.to_bits() >> 30 == 2 => 16,
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    };
    let length = mask_length(mask, own).unwrap_or_else(|| {
        let message = match mask {
            "" => format!("{own} has no netmask; it is taken as /{class}"),
            _ => format!("`{mask}` is no netmask of {own}; it is taken as /{class}"),
        };
        findings.push(Finding::warning(origin, message));
        class
    });
    let Some(prefix) = Prefix::new(own, length) else { return };
    link.addresses.push(Located::new(Address::from(prefix), origin.clone()));
    if let Some(gateway) = address(gateway, origin, findings)
        && words::goes_by(prefix, gateway, origin, findings)
    {
        link.add_route(Located::new(Route::new(Prefix::default_of(gateway), gateway), origin.clone()));
    }
}

/// How an interface gets its addresses by itself.
enum Way {
    Dhcp,
    Dhcp6,
    Announced,
    LinkLocal { ipv4: bool },
}

fn automatic(word: &str, origin: &Origin, findings: &mut Findings) -> Option<Way> {
    Some(match word {
        // The kernel's words for "whatever there is" come to DHCP.
        "" | "dhcp" | "on" | "any" | "all" | "both" | "bootp" | "single-dhcp" => Way::Dhcp,
        "dhcp6" => Way::Dhcp6,
        "auto6" | "either6" => Way::Announced,
        "link6" => Way::LinkLocal { ipv4: false },
        "link-local" => Way::LinkLocal { ipv4: true },
        _ => {
            let ways = "none, dhcp, dhcp6, auto6, either6, link6, link-local";
            let message = format!("`{word}` is not a way to get an address; it is left out");
            findings.push(Finding::error(origin, message).help(format!("one of: {ways}")));
            return None;
        }
    })
}

/// What stands behind the automatic way: `MTU[:MAC]`, else name servers and a time server.
fn further(link: &mut Link, rest: &[&str], origin: &Origin, findings: &mut Findings) {
    let [first, others @ ..] = rest else { return };
    let mac = others.join(":").parse::<Mac>();
    if first.is_empty() && mac.is_err() || first.parse::<IpAddr>().is_ok() {
        for server in rest.iter().take(2).filter_map(|server| address(server, origin, findings)) {
            push_new(&mut link.dns.servers, server);
        }
        if let Some(time) = rest.get(2).filter(|time| !time.is_empty()) {
            let message = format!("the time server {time} is left out");
            findings.push(
                Finding::warning(origin, message).help("`ntp:` in the user-data or the image's settings names it"),
            );
        }
        return;
    }
    match first.parse::<u32>() {
        Ok(mtu) => link.mtu = words::mtu(Located::new(mtu, origin.clone()), *words::MTU.start(), findings),
        Err(_) if first.is_empty() => {}
        Err(_) => findings
            .push(Finding::error(origin, format!("`{first}` is neither an MTU nor a name server; it is left out"))),
    }
    match mac {
        Ok(mac) => link.mac = Some(Located::new(mac, origin.clone())),
        Err(_) if others.is_empty() => {}
        Err(reason) => findings.push(Finding::error(origin, format!("`{}` is left out: {reason}", others.join(":")))),
    }
}

/// `None` where there is none, or (klibc's word for it) the zero address.
fn address(text: &str, origin: &Origin, findings: &mut Findings) -> Option<IpAddr> {
    match text.parse::<IpAddr>() {
        Ok(address) => (!address.is_unspecified()).then_some(address),
        Err(_) => {
            if !text.is_empty() {
                findings.push(Finding::error(origin, format!("`{text}` is not an IP address; it is left out")));
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The links on a line each, and what is said.
    fn shown(line: &str, nics: &[Nic]) -> (Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let config = read(&Line::of_kernel(line), Some(nics), &mut findings);
        let link = |link: &Link| {
            let addresses = link.addresses.iter().map(|own| format!(" {}", own.prefix));
            let routes = link.routes.iter().map(|route| format!(" {} via {}", route.to, route.via.unwrap()));
            let servers = link.dns.servers.iter().map(|server| format!(" dns {server}"));
            let ways = [(link.dhcp4, " dhcp4"), (link.dhcp6.is_some(), " dhcp6"), (link.accept_ra.is_some(), " ra")];
            let ways = ways.iter().filter(|(on, _)| *on).map(|(_, way)| (*way).to_owned());
            let mtu = link.mtu.iter().map(|mtu| format!(" mtu {}", mtu.value));
            let mac = link.mac.iter().map(|mac| format!(" mac {}", mac.value));
            let all = addresses.chain(routes).chain(servers).chain(ways).chain(mtu).chain(mac);
            link.id.clone() + &all.collect::<String>()
        };
        let links = config.iter().flat_map(|config| config.links.iter().map(link)).collect();
        (links, findings.iter().map(|finding| finding.message.clone()).collect())
    }

    #[test]
    fn every_form_of_ip_is_read() {
        for (line, link) in [
            ("ip=10.0.0.5::10.0.0.1:255.255.255.0:vm1:ens3:none", "ens3 10.0.0.5/24 0.0.0.0/0 via 10.0.0.1"),
            (
                "ip=10.0.0.5:10.0.0.9:10.0.0.1:24::ens3:off:10.0.0.2:0.0.0.0",
                "ens3 10.0.0.5/24 0.0.0.0/0 via 10.0.0.1 dns 10.0.0.2",
            ),
            ("ip=10.0.0.5::::vm1:ens3:none:1400:52:54:00:00:00:01", "ens3 10.0.0.5/8 mtu 1400 mac 52:54:00:00:00:01"),
            (
                "ip=[2001:db8::5]::[fe80::1]:64:vm1:ens3:none:[2001:db8::2]",
                "ens3 2001:db8::5/64 ::/0 via fe80::1 dns 2001:db8::2",
            ),
            ("ip=:::::ens3:dhcp", "ens3 dhcp4"),
            ("ip=:::::ens3:", "ens3 dhcp4"),
            ("ip=ens3:dhcp,dhcp6:9000", "ens3 dhcp4 dhcp6 mtu 9000"),
            ("ip=ens3:auto6::52:54:00:00:00:01", "ens3 ra mac 52:54:00:00:00:01"),
            ("ip=ens3:none", "ens3"),
            ("ip=52-54-00-00-00-01:dhcp", "mac525400000001 dhcp4"),
            ("ip6=ens3:dhcp", "ens3 dhcp6"),
            ("ip=ens3:dhcp ip=10.0.0.5:::24::ens3:none", "ens3 10.0.0.5/24 dhcp4"),
            (
                "ip=10.0.0.5:::24::ens3:none rd.route=10.9.0.0/16:10.0.0.9 rd.route=[2001:db8::/32]:[fe80::1]:ens3",
                "ens3 10.0.0.5/24 10.9.0.0/16 via 10.0.0.9 2001:db8::/32 via fe80::1",
            ),
        ] {
            assert_eq!(shown(line, &[]).0, [link], "{line}");
        }
        for nothing in ["ip=off", "ip=none", "ip=", "quiet", "rd.neednet=1 nameserver=10.0.0.2"] {
            assert_eq!(shown(nothing, &[]), (Vec::new(), Vec::new()), "{nothing}");
        }
    }

    #[test]
    fn an_interface_without_a_name_is_the_one_that_was_booted_from_or_the_best() {
        let nic = |name: &str, mac: &str| Nic { name: name.into(), mac: mac.into(), ..Nic::default() };
        let nics = [nic("ens3", "52:54:00:00:00:01"), nic("ens4", "52:54:00:00:00:02")];
        assert_eq!(shown("ip=dhcp", &nics).0, ["ens3 dhcp4"]);
        assert_eq!(shown("ip=dhcp BOOTIF=01-52-54-00-00-00-02", &nics).0, ["ens4 dhcp4"]);
        let (links, said) = shown("ip=dhcp ip=ens9:dhcp", &[]);
        assert_eq!(links, ["ens9 dhcp4"]);
        assert!(said[0].starts_with("it names no interface"), "{said:?}");
    }

    #[test]
    fn ifname_and_peerdns_are_heeded() {
        let line = "ifname=data:52:54:00:00:00:01 ip=data:dhcp rd.peerdns=0 nameserver=[2001:db8::2]";
        let config = read(&Line::of_kernel(line), None, &mut Findings::default()).unwrap();
        let link = &config.links[0];
        let physical = link.physical().unwrap();
        assert_eq!(physical.set_name.as_ref().unwrap().value, "data");
        assert_eq!(physical.by.mac.as_ref().unwrap().value.to_string(), "52:54:00:00:00:01");
        assert_eq!(link.dhcp4_overrides.use_dns.as_ref().map(|use_dns| use_dns.value), Some(false));
        assert_eq!(config.dns.servers, ["2001:db8::2".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_bad_field_costs_only_itself() {
        for (line, links, said) in [
            ("ip=10.0.0.5::10.0.0:24::ens3:none", 1, "`10.0.0` is not an IP address"),
            ("ip=10.0.0.5::[fe80::1]:24::ens3:none", 1, "is of another family"),
            ("ip=10.0.0.5:::255.0.255.0::ens3:none", 1, "is no netmask"),
            ("ip=ens3:dhpc", 0, "`dhpc` is not a way"),
            ("ip=ibft", 0, "`ibft` is not a way"),
            ("ip=ens3:dhcp,ibft", 1, "`ibft` is not a way"),
            ("ip=10.0.0.5::::vm1:ens3:none", 1, "10.0.0.5 has no netmask"),
            ("rd.route=10.9.0.0/16:10.0.0.9", 0, "no interface is configured for the route"),
            ("ip=ens3:dhcp:big", 1, "neither an MTU nor"),
            ("ip=ens3:dhcp:7", 1, "an MTU of 7 is not between 68"),
            ("ip=ens3:dhcp:1400:52:54", 1, "`52:54` is left out"),
            ("ip=../x:dhcp", 0, "`../x` is not the name"),
            ("ifname=x ip=ens3:dhcp", 1, "is not NAME:MAC"),
            ("ip=ens3:dhcp rd.route=10.0.0.0/8", 1, "is not NETWORK/LENGTH:GATEWAY"),
            ("ip=ens3:dhcp::10.0.0.2:10.0.0.3", 1, "the time server 10.0.0.3"),
        ] {
            let (shown, found) = shown(line, &[]);
            assert_eq!(shown.len(), links, "{line}");
            assert!(found.iter().any(|message| message.contains(said)), "{line}: {found:?}");
        }
    }

    #[test]
    fn a_flood_ends_at_a_bound() {
        let line: String = (0..900).map(|number| format!("ip=ens{number}:dhcp ")).collect();
        let (links, said) = shown(&line, &[]);
        assert_eq!((links.len(), said.len()), (LINK_LIMIT, 1));
    }
}
