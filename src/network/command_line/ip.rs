// SPDX-License-Identifier: Apache-2.0
//! `ip=` as the kernel and klibc have it (Documentation/admin-guide/nfs/nfsroot.rst) and as dracut does (dracut.cmdline(7)),
//! with what belongs to it: `ifname=`, `nameserver=`, `rd.route=`, `rd.peerdns=`, `BOOTIF=`.

use std::net::IpAddr;

use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Nic;
use crate::network::command_line::{PATH, fields, made, values};
use crate::network::fallback::{best, meaning};
use crate::network::model::{Address, Dhcp6, Kind, Link, LinkLocal, Match, NetworkConfig, Physical, Route, push_new};
use crate::network::prefix::{Mac, Prefix, mask_length};
use crate::network::render::is_interface_name;

/// Interfaces in one command line.
const LINK_LIMIT: usize = 200;

/// The network as far as it has been read.
pub(super) struct Reader<'a> {
    pub(super) command_line: &'a str,
    nics: Option<&'a [Nic]>,
    /// What `ifname=` calls which card.
    names: Vec<(&'a str, Located<Mac>)>,
    pub(super) config: NetworkConfig,
}

/// Interfaces one by one; `None` where no word asks for one.
pub fn read(command_line: &str, nics: Option<&[Nic]>, findings: &mut Findings) -> Option<NetworkConfig> {
    let config = NetworkConfig::new(Origin::document(PATH));
    let mut reader = Reader { command_line, nics, names: names(command_line, findings), config };
    made::read(&mut reader, findings);
    for (value, origin) in values(command_line, "ip") {
        reader.ip(value, &origin, findings);
    }
    for (value, origin) in values(command_line, "ip6") {
        // Only a word, as initramfs-tools has it; where it is the device's, too.
        let word = value.strip_suffix("dhcp").map_or_else(|| value.to_owned(), |device| format!("{device}dhcp6"));
        reader.ip(&word, &origin, findings);
    }
    if reader.config.links.is_empty() {
        return None;
    }
    for (value, origin) in values(command_line, "nameserver") {
        if let Some(server) = address(fields(value).first().copied().unwrap_or_default(), &origin, findings) {
            push_new(&mut reader.config.dns.servers, server);
        }
    }
    values(command_line, "rd.route").for_each(|(value, origin)| reader.route(value, &origin, findings));
    if let Some((_, origin)) = values(command_line, "rd.peerdns").last().filter(|(value, _)| *value == "0") {
        for link in &mut reader.config.links {
            let unused = Some(Located::new(false, origin.clone()));
            (link.dhcp4_overrides.use_dns, link.dhcp6_overrides.use_dns) = (unused.clone(), unused);
        }
    }
    Some(reader.config)
}

fn names<'a>(command_line: &'a str, findings: &mut Findings) -> Vec<(&'a str, Located<Mac>)> {
    let mut names = Vec::new();
    for (value, origin) in values(command_line, "ifname") {
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
        let Some(link) = self.link(device, origin, findings) else { return };
        match (way, fixed) {
            ("" | "none" | "off" | "static", Some(fixed)) => {
                let (gateway, mask) = (field(2), field(3));
                place(link, fixed, gateway, mask, origin, findings);
            }
            ("none" | "off" | "static", None) => {}
            _ => way.split(',').for_each(|way| automatic(link, way, origin, findings)),
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
        if !to.same_family(via) {
            return findings
                .push(Finding::error(origin, format!("{via} is of another family than {to}; it is left out")));
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
        let booted = values(self.command_line, "BOOTIF").last().and_then(|(value, _)| value.get(3..)?.parse().ok());
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
        let message = format!("`{mask}` is no netmask of {own}; it is taken as /{class}");
        findings.push(Finding::warning(origin, message));
        class
    });
    if let Some(prefix) = Prefix::new(own, length) {
        link.addresses.push(Located::new(Address::from(prefix), origin.clone()));
    }
    match address(gateway, origin, findings) {
        Some(gateway) if gateway.is_ipv4() == own.is_ipv4() => {
            link.add_route(Located::new(Route::new(Prefix::default_of(gateway), gateway), origin.clone()));
        }
        Some(gateway) => {
            let message = format!("the gateway {gateway} is of another family than {own}; it is left out");
            findings.push(Finding::error(origin, message));
        }
        None => {}
    }
}

/// How an interface gets its addresses by itself.
fn automatic(link: &mut Link, way: &str, origin: &Origin, findings: &mut Findings) {
    match way {
        // The kernel's words for "whatever there is" come to DHCP.
        "" | "dhcp" | "on" | "any" | "all" | "both" | "bootp" | "single-dhcp" => link.dhcp4 = true,
        "dhcp6" => link.dhcp6 = Some(Dhcp6::Stateful),
        "auto6" | "either6" => link.accept_ra = Some(true),
        "link6" => link.link_local = Some(LinkLocal { ipv4: false, ipv6: true }),
        "link-local" => link.link_local = Some(LinkLocal { ipv4: true, ipv6: true }),
        _ => {
            let ways = "none, dhcp, dhcp6, auto6, either6, link6, link-local";
            let message = format!("`{way}` is not a way to get an address; it is left out");
            findings.push(Finding::error(origin, message).help(format!("one of: {ways}")));
        }
    }
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
        Ok(mtu) => link.mtu = Some(Located::new(mtu, origin.clone())),
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
