// SPDX-License-Identifier: Apache-2.0
//! The guest's network, as a person asks for it: one set of words for every command that starts a guest.

use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use super::Network;
use crate::error::Error;

/// The guest's network card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NetworkChoice {
    /// None at all.
    None,
    /// One that leads nowhere.
    #[default]
    Restricted,
    /// One that leads out through this machine.
    User,
    /// On this bridge.
    Bridge(String),
    /// What QEMU's `-netdev` takes.
    Netdev(String),
}

/// The kernel's bound for the name of an interface.
const INTERFACE_NAME: usize = 15;

impl FromStr for NetworkChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('=').unwrap_or((text, "")) {
            ("none", "") => Ok(Self::None),
            ("restricted", "") => Ok(Self::Restricted),
            ("user", "") => Ok(Self::User),
            ("bridge", name)
                if (1..=INTERFACE_NAME).contains(&name.len())
                    && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',')) =>
            {
                Ok(Self::Bridge(name.to_owned()))
            }
            ("bridge", _) => Err(Error::malformed("that is no name of a bridge")),
            ("netdev", value) if !value.is_empty() && !value.starts_with(',') => Ok(Self::Netdev(value.to_owned())),
            _ => Err(Error::malformed("one of: restricted, user, none, bridge=NAME, netdev=VALUE")),
        }
    }
}

impl<'de> Deserialize<'de> for NetworkChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl NetworkChoice {
    /// As QEMU has it.
    pub fn cards(&self) -> Vec<Network> {
        let netdev = match self {
            NetworkChoice::None => return Vec::new(),
            NetworkChoice::Restricted => "user,restrict=on".to_owned(),
            NetworkChoice::User => "user".to_owned(),
            NetworkChoice::Bridge(name) => format!("bridge,br={name}"),
            NetworkChoice::Netdev(value) => value.clone(),
        };
        vec![Network { netdev, mac: None }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_by_name() {
        let netdev = |text: &str| Some(text.parse::<NetworkChoice>().ok()?.cards().pop()?.netdev);
        assert_eq!(netdev("restricted").unwrap(), "user,restrict=on");
        assert_eq!(netdev("bridge=br0").unwrap(), "bridge,br=br0");
        assert_eq!(netdev("netdev=tap,ifname=a").unwrap(), "tap,ifname=a");
        assert!("none".parse::<NetworkChoice>().unwrap().cards().is_empty());
        for wrong in ["", "bridge=", "bridge=a,b", "bridge=../x", "bridge=a-name-of-16-let", "nat", "netdev=", "none=x"]
        {
            assert!(wrong.parse::<NetworkChoice>().is_err(), "{wrong}");
        }
    }
}
