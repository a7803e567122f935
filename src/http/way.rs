// SPDX-License-Identifier: Apache-2.0
//! Ways to the network: which interface a connection is bound to.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use crate::error::{Error, Result};
use crate::http::url::number;

/// A way to the network.
///
/// Two cards may both lead to an address such as 169.254.169.254, and of an IPv6 link-local one the interface is a part:
/// so a metadata service is asked by one card after the other. A socket that is bound to a card needs no zone in such an
/// address: the kernel takes the card's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// What connections are bound to; `None` where the routing table decides.
    pub interface: Option<Interface>,
}

/// An interface that connections are bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// Whether it has an IPv4 address.
    pub has_ipv4: bool,
    /// Whether it has an IPv6 link-local address that can be used.
    pub has_ipv6: bool,
    /// The servers that are asked for names; `None` for the guest's own resolver.
    pub names: Option<Vec<IpAddr>>,
}

impl Way {
    /// As the routing table says.
    pub fn routed() -> Self {
        Self::default()
    }

    /// Refuses at once what would be asked in vain.
    ///
    /// # Errors
    /// Absent: the host is a number that this way can't lead to.
    pub(super) fn check(&self, url: &Url) -> Result<()> {
        let lacks = |what| Err(Error::absent(format!("{self} has no {what} address")));
        match (&self.interface, number(url)) {
            (None, Some(IpAddr::V6(ip))) if ip.is_unicast_link_local() => {
                Err(Error::absent("an IPv6 link-local address is reached by one interface, and none is given"))
            }
            (Some(interface), Some(IpAddr::V6(_))) if !interface.has_ipv6 => lacks("IPv6"),
            (Some(interface), Some(IpAddr::V4(_))) if !interface.has_ipv4 => lacks("IPv4"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => f.write_str(&interface.name),
            None => f.write_str("the network"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::http::Client;
    use crate::http::scripted::{Scripted, whole};

    fn card(name: &str, has_ipv4: bool, has_ipv6: bool) -> Way {
        Way { interface: Some(Interface { name: name.to_owned(), index: 1, has_ipv4, has_ipv6, names: None }) }
    }

    fn get(way: Way, url: &str) -> Result<Vec<u8>> {
        let response = Client::service(way).get(url, 100, Instant::now() + Duration::from_secs(10))?;
        Ok(response.body)
    }

    #[test]
    fn nobody_is_asked_where_the_way_can_not_lead() {
        for (way, url, why) in [
            (card("lo", false, true), "http://127.0.0.1:1/", "lo has no IPv4 address"),
            (card("lo", true, false), "http://[fd00:ec2::254]/", "lo has no IPv6 address"),
            (Way::routed(), "http://[fe80::a9fe:a9fe]/", "by one interface, and none is given"),
        ] {
            let error = get(way, url).unwrap_err();
            assert!(error.is_absent() && error.status().is_none(), "{error}");
            assert!(error.to_string().ends_with(why), "{error}");
        }
    }

    #[test]
    fn a_connection_leaves_by_the_card_of_its_way() {
        let server = Scripted::start(vec![whole("200 OK", "", "here")]);
        assert_eq!(get(card("lo", true, true), &server.url("/")).unwrap(), b"here");
        let error = get(card("absent0", true, true), &server.url("/")).unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("No such device"), "{error}");
    }

    /// This test again, in a network namespace whose loopback has the address.
    #[test]
    fn a_link_local_address_is_reached_without_a_zone() {
        const INSIDE: &str = "FIRSTLIGHT_TEST_LINK_LOCAL";
        if std::env::var_os(INSIDE).is_none() {
            let script =
                "ip link set lo up && ip -6 address add fe80::a9fe:a9fe/64 dev lo nodad || exit 77; exec \"$@\"";
            let name = "http::way::tests::a_link_local_address_is_reached_without_a_zone";
            let mut inside = Command::new("unshare");
            inside.args(["--map-root-user", "--net", "sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
            let output = inside.args(["--exact", name, "--nocapture"]).env(INSIDE, "1").output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            match said.contains("1 passed") {
                true => assert!(output.status.success(), "{said}"),
                false if said.contains("running 1 test") => panic!("{said}"),
                false => eprintln!("SKIPPED: no network namespace: {}", String::from_utf8_lossy(&output.stderr)),
            }
            return;
        }
        let listener = TcpListener::bind("[::]:80").unwrap();
        let server = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut head = [0; 1000];
            let length = peer.read(&mut head).unwrap();
            peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere").unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        assert_eq!(get(card("lo", false, true), "http://[fe80::a9fe:a9fe]/openstack").unwrap(), b"here");
        let head = server.join().unwrap();
        assert!(head.contains("host: [fe80::a9fe:a9fe]\r\n"), "{head}");
    }
}
