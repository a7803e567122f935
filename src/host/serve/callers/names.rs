// SPDX-License-Identifier: Apache-2.0
//! The names that a guest's data is looked for at, best first.

use std::net::IpAddr;

use crate::network::prefix::Mac;

/// The longest name.
const LONGEST: usize = 255;

/// Whether the store can have something of that name: it is one part of a path, and leads nowhere else.
pub fn is_name(name: &str) -> bool {
    let wrong = |c: char| c.is_control() || "/\\".contains(c);
    (1..=LONGEST).contains(&name.len()) && !name.starts_with('.') && !name.contains(wrong)
}

/// Whether it is a uuid as libvirt writes one.
pub fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// A guest's name without the domain that may be behind it.
fn short<'a>(name: &'a str, domain: &str) -> &'a str {
    let short = name.strip_suffix(domain).and_then(|short| short.strip_suffix('.'));
    short.filter(|_| !domain.is_empty()).unwrap_or(name)
}

/// Names, none of them twice.
#[derive(Default)]
pub struct Names(Vec<String>);

impl Names {
    /// A guest's name: with the domain before it is without, as Cheesy2's files have it.
    pub fn guest(mut self, name: &str, domain: &str) -> Self {
        let short = short(name, domain);
        if !domain.is_empty() {
            self.add(format!("{short}.{domain}"));
        }
        self.add(short.to_owned());
        self
    }

    /// A uuid.
    pub fn uuid(mut self, uuid: &str) -> Self {
        self.add(uuid.to_ascii_lowercase());
        self
    }

    /// A card's address as the kernel writes it, and with hyphens, as file systems of others and boot loaders want it.
    pub fn mac(mut self, mac: &Mac) -> Self {
        let text = mac.to_string();
        self.add(text.clone());
        self.add(text.replace(':', "-"));
        self
    }

    /// Where it asks from.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.add(address.to_string());
        self
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }

    fn add(&mut self, name: String) {
        if is_name(&name) && !self.0.contains(&name) {
            self.0.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_with_its_domain_comes_first() {
        let names = |name, domain| Names::default().guest(name, domain).into_vec();
        assert_eq!(names("foo", "internal"), ["foo.internal", "foo"]);
        assert_eq!(names("foo.internal", "internal"), ["foo.internal", "foo"]);
        assert_eq!(names("myinternal", "internal"), ["myinternal.internal", "myinternal"]);
        assert_eq!(names("foo", ""), ["foo"]);
        assert_eq!(names("foo.", ""), ["foo."]);
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for name in ["", ".", "..", ".hidden", "../x", "a/b", "a\\b", "a\nb", "a\0b"] {
            assert!(!is_name(name), "{name:?}");
            assert!(Names::default().guest(name, "").into_vec().is_empty(), "{name:?}");
        }
        assert!(is_name("Windows 11 (alt)") && is_name("äpfel"));
        assert!(is_uuid("6695eb01-f6a4-8304-79aa-97f2502e193f") && !is_uuid("6695eb01-f6a4-8304-79aa-97f2502e193"));
    }

    #[test]
    fn a_card_has_both_spellings_and_nothing_is_there_twice() {
        let mac: Mac = "52-54-00-AB-00-01".parse().unwrap();
        let names =
            Names::default().mac(&mac).mac(&mac).address("2001:DB8::1".parse().unwrap()).uuid("6695EB01").into_vec();
        assert_eq!(names, ["52:54:00:ab:00:01", "52-54-00-ab-00-01", "2001:db8::1", "6695eb01"]);
    }
}
