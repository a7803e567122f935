// SPDX-License-Identifier: Apache-2.0
//! Hardware addresses, and IP addresses with the length of their network's prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and how many of its leading bits name its network: `172.24.4.23/24`, `::/0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// `None` where `length` is more than the address has bits.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        (length <= bits(address)).then_some(Self { address, length })
    }

    /// Where everything goes that no other route claims, in the family of `address`.
    pub fn default_of(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { address, length: 0 }
    }

    /// The one address alone: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        Self { address, length: bits(address) }
    }

    /// The address as it was written, host bits and all.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits name the network.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether it is a default route's destination.
    pub fn is_default(&self) -> bool {
        self.length == 0
    }

    /// Whether it is of the same family as `address`.
    pub fn same_family(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
    }

    /// Whether `address` is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.same_family(address) && mask(address, self.length) == self.network().address
    }

    /// The same network with its host bits cleared; the kernel refuses a route to anything else.
    #[must_use]
    pub fn network(&self) -> Self {
        Self { address: mask(self.address, self.length), length: self.length }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn mask(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(32 - length).unwrap_or(0)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(128 - length).unwrap_or(0)).into(),
    }
}

/// The length that a netmask stands for: `255.255.255.0`, `ffff:ffff::`, or the number itself (`24`, `/24`). `None` where the mask
/// is of another family than `address`, has holes or is too long.
pub fn mask_length(mask: &str, address: IpAddr) -> Option<u8> {
    let mask = mask.strip_prefix('/').unwrap_or(mask);
    if let Ok(length) = mask.parse::<u8>() {
        return (length <= bits(address)).then_some(length);
    }
    let (ones, contiguous) = match (mask.parse().ok()?, address) {
        (IpAddr::V4(mask), IpAddr::V4(_)) => {
            let ones = mask.to_bits().leading_ones();
            (ones, ones + mask.to_bits().trailing_zeros() == 32)
        }
        (IpAddr::V6(mask), IpAddr::V6(_)) => {
            let ones = mask.to_bits().leading_ones();
            (ones, ones + mask.to_bits().trailing_zeros() == 128)
        }
        _ => return None,
    };
    if contiguous { u8::try_from(ones).ok() } else { None }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// `ADDRESS/LENGTH`; an address alone is that host.
impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| "not an IP address".to_owned())?;
        match length {
            None => Ok(Self::host(address)),
            Some(length) => mask_length(length.trim(), address)
                .and_then(|length| Self::new(address, length))
                .ok_or_else(|| "not a length that a prefix can have".to_owned()),
        }
    }
}

/// A hardware address: 48 bits, or the 20 bytes of `InfiniBand`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac {
    octets: [u8; Mac::LONGEST],
    length: usize,
}

impl Mac {
    const LONGEST: usize = 20;

    /// Six bytes, or twenty.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    /// Whether it is a port's of `InfiniBand`.
    pub fn is_infiniband(&self) -> bool {
        self.length == Self::LONGEST
    }

    /// Whether an interface with the address `other` is meant by this one. Platforms name a port of `InfiniBand` by six
    /// of its twenty bytes: the vendor's and the card's halves of its GUID, without the two in the middle.
    pub fn means(&self, other: &Mac) -> bool {
        match (self.octets(), other.octets()) {
            ([a, b, c, d, e, f], [.., g, h, i, _, _, j, k, l]) if other.is_infiniband() => {
                [a, b, c, d, e, f] == [g, h, i, j, k, l]
            }
            (this, that) => this == that,
        }
    }
}

/// Lower case with colons, as the kernel shows it.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.octets().iter().enumerate() {
            write!(f, "{}{octet:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// Six or twenty pairs of hexadecimal digits in either case, parted by colons or hyphens.
impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || "not a MAC address such as fa:16:3e:00:00:01".to_owned();
        let mut mac = Self { octets: [0; Self::LONGEST], length: 0 };
        for pair in text.trim().split([':', '-']) {
            let octet = match pair.as_bytes() {
                [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => u8::from_str_radix(pair, 16).ok(),
                _ => None,
            };
            *mac.octets.get_mut(mac.length).ok_or_else(error)? = octet.ok_or_else(error)?;
            mac.length += 1;
        }
        if mac.length == 6 || mac.is_infiniband() { Ok(mac) } else { Err(error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn masks_are_read_in_every_form_that_platforms_write() {
        let (v4, v6) = ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert_eq!(mask_length("255.255.252.0", v4), Some(22));
        assert_eq!(mask_length("0.0.0.0", v4), Some(0));
        assert_eq!((mask_length("24", v4), mask_length("/24", v4)), (Some(24), Some(24)));
        assert_eq!(mask_length("ffff:ffff:ffff:ffff::", v6), Some(64));
        assert_eq!(mask_length("::", v6), Some(0));
        assert_eq!(mask_length("255.0.255.0", v4), None, "a hole");
        assert_eq!(mask_length("33", v4), None, "too long");
        assert_eq!(mask_length("255.255.255.0", v6), None, "another family");
    }

    #[test]
    fn a_network_contains_its_own_family_only() {
        assert!(prefix("10.1.2.3/8").contains("10.255.0.1".parse().unwrap()));
        assert!(prefix("0.0.0.0/0").contains("1.2.3.4".parse().unwrap()));
        assert!(!prefix("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(!prefix("10.0.0.1/32").contains("10.0.0.2".parse().unwrap()));
        assert_eq!(prefix("10.1.2.3/8").network().to_string(), "10.0.0.0/8");
        assert_eq!(prefix("2001:db8::5/64").network().to_string(), "2001:db8::/64");
    }

    #[test]
    fn a_mac_is_read_in_any_case_and_shown_as_the_kernel_does() {
        assert_eq!("FA-16-3E-0A-0b-0C".parse::<Mac>().unwrap().to_string(), "fa:16:3e:0a:0b:0c");
        for bad in ["", "fa:16:3e:0a:0b", "fa:16:3e:0a:0b:0c:0d", "fa:16:3e:0a:0b:+c", "fa:16:3e:0a:0b:c"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_of_infiniband_is_meant_by_six_of_its_twenty_bytes() {
        let long = "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:C9:03:00:31:78:F2".parse::<Mac>().unwrap();
        assert!(long.is_infiniband());
        assert_eq!(long.to_string(), "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:31:78:f2");
        let short = |text: &str| text.parse::<Mac>().unwrap();
        assert!(short("00:02:c9:31:78:f2").means(&long) && long.means(&long));
        assert!(!short("00:02:c9:31:78:f3").means(&long) && !long.means(&short("00:02:c9:31:78:f2")));
        assert!(short("fa:16:3e:00:00:01").means(&short("FA-16-3E-00-00-01")));
        assert!(format!("{long}:00").parse::<Mac>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bits: u128, length in 0u8..=128) {
            let prefix = Prefix::new(Ipv6Addr::from_bits(bits).into(), length).unwrap();
            prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
            prop_assert!(prefix.contains(prefix.address()));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Prefix>();
            let _ = text.parse::<Mac>();
        }
    }
}
