// SPDX-License-Identifier: Apache-2.0
//! The network that klibc's initramfs (Debian's, Ubuntu's) has set up already: `/run/net-*.conf` and `/run/net6-*.conf`,
//! which its ipconfig and dhclient write.

use std::net::IpAddr;

use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Guest;
use crate::network::command_line::has_ip;
use crate::network::fallback::meaning;
use crate::network::model::{Activation, Address, Dhcp6, Kind, Link, Match, NetworkConfig, Route, push_new};
use crate::network::prefix::{Prefix, mask_length};
use crate::network::words;

const DIRECTORY: &str = "/run";
/// What open-iscsi leaves where the firmware has told it of its network.
const ISCSI: &str = "/run/initramfs/open-iscsi.interface";
const FILE_LIMIT: usize = 100;

/// What was set up because the command line asked for it; `None` where nothing was.
///
/// The root file system may stand on it. A manager that takes over what is up (`takes_over`) has it like any other; for
/// another, whose `ifup` begins from nothing, it is nobody's to bring up.
pub fn read(guest: &Guest, takes_over: bool, findings: &mut Findings) -> Option<NetworkConfig> {
    if !has_ip(&guest.command_line) && !guest.exists(ISCSI) {
        return None;
    }
    let mut config = NetworkConfig::new(Origin::document(DIRECTORY));
    let names = guest.list(DIRECTORY).into_iter();
    let ours = |name: &String| (name.starts_with("net-") || name.starts_with("net6-")) && name.ends_with(".conf");
    for name in names.filter(ours).take(FILE_LIMIT) {
        let origin = Origin::document(format!("{DIRECTORY}/{name}"));
        let text = guest.read_text(origin.document_name()).unwrap_or_default();
        file(&Variables(&text), &origin, guest, &mut config, findings);
    }
    if !takes_over {
        config.links.iter_mut().for_each(|link| link.activation = Activation::Manual);
    }
    let first = config.links.first()?.origin.clone();
    Some(NetworkConfig { origin: first, ..config })
}

/// `NAME='value'`, a line each: a piece of shell that only ever assigns.
struct Variables<'a>(&'a str);

impl<'a> Variables<'a> {
    /// The value; `None` where it is not there or empty.
    fn get(&self, name: &str) -> Option<&'a str> {
        let value = self.0.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim().trim_matches(['\'', '"'])).filter(|value| !value.is_empty())
    }

    /// An address that is not zero, which is klibc's word for none.
    fn address(&self, name: &str) -> Option<IpAddr> {
        self.get(name)?.split('/').next()?.parse().ok().filter(|address: &IpAddr| !address.is_unspecified())
    }
}

fn file(text: &Variables, origin: &Origin, guest: &Guest, config: &mut NetworkConfig, findings: &mut Findings) {
    let device = text.get("DEVICE").or_else(|| text.get("DEVICE6")).unwrap_or_default();
    if !words::is_interface_name(device) {
        return findings.push(Finding::error(origin, "it names no interface (`DEVICE=`); it is left out"));
    }
    let place = config.links.iter().position(|link| link.id == device).unwrap_or(config.links.len());
    if place == config.links.len() {
        let nic = guest.nics.iter().flatten().find(|nic| nic.name == device);
        let named = || Match::named(Located::new(device.to_owned(), origin.clone()));
        let by = nic.map_or_else(named, |nic| meaning(nic, origin));
        config.links.push(Link::new(device.to_owned(), Kind::Physical(by.into()), origin.clone()));
    }
    let Some(link) = config.links.get_mut(place) else { return };
    for family in ["IPV4", "IPV6"] {
        let variable = |name: &str| format!("{family}{name}");
        let Some(own) = text.address(&variable("ADDR")) else { continue };
        // Old ones write no PROTO; who got a file's name to boot got it by DHCP.
        let way = text.get(&variable("PROTO")).or_else(|| text.get("PROTO")).or_else(|| text.get("IPV6PROTO"));
        match way.unwrap_or(if text.get("filename").is_some() { "dhcp" } else { "none" }) {
            "dhcp" | "dhcp4" | "bootp" if own.is_ipv4() => link.dhcp4 = true,
            "dhcp" | "dhcp6" => link.dhcp6 = Some(Dhcp6::Stateful),
            "none" | "static" | "off" => fixed(link, own, text, &variable, origin),
            other => {
                let message = format!("`{other}` is not a way to get an address that is known here; {own} is left out");
                findings.push(Finding::error(origin, message));
                continue;
            }
        }
        for server in ["DNS0", "DNS1"].iter().filter_map(|name| text.address(&variable(name))) {
            push_new(&mut link.dns.servers, server);
        }
    }
    for domains in ["DOMAINSEARCH", "IPV6DOMAINSEARCH"].iter().filter_map(|name| text.get(name)) {
        for word in domains.split([',', ' ']).filter(|word| !word.is_empty()) {
            match words::domain(word) {
                Some(domain) => push_new(&mut link.dns.search, domain.to_owned()),
                None => findings.push(Finding::warning(origin, format!("`{word}` is not a domain; it is left out"))),
            }
        }
    }
}

/// A static address and its default route.
fn fixed(link: &mut Link, own: IpAddr, text: &Variables, variable: &dyn Fn(&str) -> String, origin: &Origin) {
    let written = text.get(&variable("ADDR")).and_then(|own| own.split_once('/')).map(|(_, length)| length);
    let mask = text.get(&variable("NETMASK")).or(written);
    let length = mask.and_then(|mask| mask_length(mask, own)).unwrap_or(if own.is_ipv4() { 24 } else { 64 });
    if let Some(prefix) = Prefix::new(own, length) {
        link.addresses.push(Located::new(Address::from(prefix), origin.clone()));
    }
    if let Some(gateway) = text.address(&variable("GATEWAY")).filter(|gateway| gateway.is_ipv4() == own.is_ipv4()) {
        link.add_route(Located::new(Route::new(Prefix::default_of(gateway), gateway), origin.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn set_up(files: &[(&str, &str)]) -> (Option<NetworkConfig>, Vec<String>) {
        let scratch = Scratch::new();
        scratch.file("/sys/class/net/ens3/address", "52:54:00:00:00:01\n");
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        let mut findings = Findings::default();
        let config = read(&Guest::read(&scratch.root()).unwrap(), false, &mut findings);
        (config, findings.iter().map(ToString::to_string).collect())
    }

    const DHCP: (&str, &str) = (
        "/run/net-ens3.conf",
        "DEVICE='ens3'\nPROTO='dhcp'\nIPV4ADDR='10.0.0.5'\nIPV4NETMASK='255.255.255.0'\nIPV4GATEWAY='10.0.0.1'\n\
         IPV4DNS0='10.0.0.2'\nIPV4DNS1='0.0.0.0'\nDOMAINSEARCH='example.org. bad/domain'\n",
    );

    #[test]
    fn what_came_by_dhcp_stays_with_dhcp_and_both_families_are_one_link() {
        let six = (
            "/run/net6-ens3.conf",
            "DEVICE6=ens3\nIPV6PROTO=none\nIPV6ADDR=2001:db8::5\nIPV6NETMASK=64\nIPV6GATEWAY=fe80::1\n",
        );
        let (config, said) = set_up(&[("/proc/cmdline", "ip=dhcp"), DHCP, six]);
        let [link] = config.unwrap().links.try_into().unwrap();
        assert!(link.dhcp4 && link.dhcp6.is_none() && link.activation == Activation::Manual);
        assert_eq!(link.physical().unwrap().by.mac.as_ref().unwrap().value.to_string(), "52:54:00:00:00:01");
        let addresses: Vec<String> = link.addresses.iter().map(|own| own.prefix.to_string()).collect();
        assert_eq!(addresses, ["2001:db8::5/64"]);
        assert_eq!(link.routes[0].via.unwrap().to_string(), "fe80::1");
        assert_eq!((link.dns.servers.len(), link.dns.search.as_slice()), (1, &["example.org".to_owned()][..]));
        assert_eq!(said, ["/run/net-ens3.conf: warning: `bad/domain` is not a domain; it is left out"]);
    }

    #[test]
    fn files_that_the_command_line_did_not_ask_for_are_left_overs() {
        assert_eq!(set_up(&[("/proc/cmdline", "quiet"), DHCP]).0, None);
        assert!(set_up(&[(ISCSI, ""), DHCP]).0.is_some(), "the firmware asked");
        let (none, said) = set_up(&[("/proc/cmdline", "ip=on"), ("/run/net-x.conf", "DEVICE='a b'\n")]);
        assert!(none.is_none() && said[0].contains("names no interface"), "{said:?}");
    }
}
