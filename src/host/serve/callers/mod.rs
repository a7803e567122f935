// SPDX-License-Identifier: Apache-2.0
//! Which guest is asking: by a token in the URL, by its network card (the kernel's neighbours, then libvirt or a file), by
//! its address. What a request's headers say counts for nothing: anybody writes them.
//!
//! Who forges another guest's card or address on the same link is that guest for this service, as for every other one on
//! the link: that is for the host to prevent (libvirt's `clean-traffic` filter).

mod arguments;
mod domains;
mod guests;
mod libvirt;
mod names;
mod neighbour;
mod token;
mod virsh;

use std::net::IpAddr;

use log::warn;

use crate::error::{Error, Result};
use crate::network::prefix::Mac;

pub use arguments::Arguments;

use guests::{Guests, Key};
use libvirt::Libvirt;
use names::Names;
use neighbour::Neighbours;
use token::Tokens;

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// None on standard input and output, where there is one guest.
    pub address: Option<IpAddr>,
    /// The interface's index, where it is known: the service is bound to it, or the address is link-local.
    pub link: Option<u32>,
    /// What the URL says (`/t/TOKEN/…`), already taken off the path.
    pub token: Option<String>,
}

/// Who that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Names to look for in the store, best first, without ending: `foo.internal`, `foo`, the uuid, the MAC, the address;
    /// `default` is tried after them.
    pub names: Vec<String>,
    /// Its card.
    pub mac: Option<String>,
    /// libvirt's name of it.
    pub domain: Option<String>,
    /// libvirt's uuid of it.
    pub uuid: Option<String>,
    /// Where it asked from.
    pub address: Option<IpAddr>,
}

/// What tells guests apart.
pub struct Callers {
    /// Who everybody is.
    everybody: Option<String>,
    libvirt: Option<Libvirt>,
    guests: Option<Guests>,
    /// Whether cards count.
    cards: bool,
    neighbours: Neighbours,
    tokens: Option<Tokens>,
    /// What a guest's name may end with.
    domain: String,
}

impl Callers {
    /// Who asks.
    ///
    /// # Errors
    /// Fatal: nothing may be answered (HTTP's 403): the token is not ours, several domains have the card. Transient: who asks
    /// can't be told now (503), and whoever asks again may learn more; another's answer would last for an instance's life.
    pub async fn identify(&self, peer: &Peer) -> Result<Identity> {
        let address = peer.address.map(|address| address.to_canonical());
        if let Some(token) = &peer.token {
            let name = self.tokens.as_ref().and_then(|tokens| tokens.name(token));
            return self.named(name.ok_or_else(|| Error::fatal("the token is not ours"))?, address).await;
        }
        if let Some(name) = &self.everybody {
            return self.named(name, address).await;
        }
        let mac = match address {
            Some(address) if self.cards => self.neighbours.find(address, peer.link).await?,
            _ => None,
        };
        // A socket that is bound to a bridge answers there whatever the address: it may be one of a guest behind another.
        let own = match (address, peer.link) {
            (Some(address), Some(link)) => Some(address).filter(|_| self.neighbours.is_behind(address, link)),
            _ => address,
        };
        let owner = match (&self.libvirt, &mac) {
            (Some(libvirt), Some(mac)) => {
                libvirt.owner(mac).await.inspect_err(|error| warn!("{}", error.without_advice()))?
            }
            _ => None,
        };
        let keys = [
            mac.map(Key::Mac),
            owner.as_ref().map(|owner| Key::Uuid(owner.uuid.to_ascii_lowercase())),
            own.map(Key::Address),
        ];
        let keys: Vec<Key> = keys.into_iter().flatten().collect();
        let mut names = Names::default();
        if let Some(name) = self.guests.as_ref().and_then(|guests| guests.name(&keys)) {
            names = names.guest(&name, &self.domain);
        }
        if let Some(owner) = &owner {
            names = names.guest(&owner.name, &self.domain).uuid(&owner.uuid);
        }
        if let Some(mac) = &mac {
            names = names.mac(mac);
        }
        if let Some(address) = own {
            names = names.address(address);
        }
        Ok(Identity {
            names: names.into_vec(),
            mac: mac.map(|mac| mac.to_string()),
            domain: owner.as_ref().map(|owner| owner.name.clone()),
            uuid: owner.as_ref().map(|owner| owner.uuid.to_ascii_lowercase()),
            address,
        })
    }

    /// The guest of that name, whoever has its address. What libvirt knows of it is its own all the same: by its token it is
    /// the instance that it is by its card.
    async fn named(&self, name: &str, address: Option<IpAddr>) -> Result<Identity> {
        let names = Names::default().guest(name, &self.domain).into_vec();
        // libvirt calls it by the one or the other of them.
        let domain = match &self.libvirt {
            Some(libvirt) => libvirt.named(&names).await?,
            None => None,
        };
        let Some(domain) = domain else {
            return Ok(Identity { names, address, ..Identity::default() });
        };
        Ok(Identity {
            names: Names::default().guest(name, &self.domain).uuid(&domain.uuid).into_vec(),
            mac: domain.macs.first().map(Mac::to_string),
            domain: Some(domain.name.clone()),
            uuid: Some(domain.uuid.to_ascii_lowercase()),
            address,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(words: &[&str]) -> Arguments {
        Line::try_parse_from([&["serve"], words].concat()).unwrap().arguments
    }

    fn peer(address: &str, token: Option<&str>) -> Peer {
        Peer { address: Some(address.parse().unwrap()), link: None, token: token.map(str::to_owned) }
    }

    #[tokio::test]
    async fn a_token_is_the_guest_and_a_wrong_one_is_nobody() {
        let scratch = tempfile::tempdir().unwrap();
        let secret = scratch.path().join("secret");
        std::fs::write(&secret, "0123456789abcdef").unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let secret = secret.to_str().unwrap();
        let prefix = arguments(&["--secret", secret, "--token", "web"]).token().unwrap().unwrap();
        let token = prefix.strip_prefix("/t/").unwrap();
        let callers = arguments(&["--secret", secret, "--guests", "/dev/null"]).open().unwrap();
        let who = callers.identify(&peer("127.0.0.1", Some(token))).await.unwrap();
        assert_eq!((who.names, who.mac), (vec!["web.internal".to_owned(), "web".to_owned()], None));
        let error = callers.identify(&peer("127.0.0.1", Some(&token.replace("web", "db")))).await.unwrap_err();
        assert!(!error.is_transient() && !error.to_string().contains("db"), "{error}");
        let without = arguments(&[]).open().unwrap();
        assert!(without.identify(&peer("127.0.0.1", Some(token))).await.is_err(), "no secret, no tokens");
    }

    #[tokio::test]
    async fn an_address_in_ipv6s_clothes_is_itself() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("guests");
        std::fs::write(&file, "web 127.0.0.7\n").unwrap();
        let callers = arguments(&["--guests", file.to_str().unwrap(), "--domain", "example.com."]).open().unwrap();
        let who = callers.identify(&peer("::ffff:127.0.0.7", None)).await.unwrap();
        assert_eq!(who.names, ["web.example.com", "web", "127.0.0.7"]);
        assert_eq!(who.address, Some("127.0.0.7".parse().unwrap()));
        let who = callers.identify(&peer("127.0.0.8", None)).await.unwrap();
        assert_eq!(who.names, ["127.0.0.8"]);
    }

    #[tokio::test]
    async fn on_standard_input_the_guest_is_the_one_that_was_named() {
        let callers = arguments(&["--guest", "web"]).open().unwrap();
        let who = callers.identify(&Peer { address: None, link: None, token: None }).await.unwrap();
        assert_eq!(who.names, ["web.internal", "web"]);
    }
}
