// SPDX-License-Identifier: Apache-2.0
//! One guest as its metadata show it: who it is, from what is known of it, and what its own meta-data say on top.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::digest::sha256;
use crate::host::serve::callers::Identity;

/// A guest whose meta-data are asked for.
pub struct Guest {
    /// Who asks.
    pub who: Identity,
    /// Its own meta-data, with the names of EC2, NoCloud or OpenStack.
    pub given: Arc<Map<String, Value>>,
}

/// A public key and the name that it is listed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Never empty: `key-0` where nobody gave one.
    pub name: String,
    /// The line of authorized_keys.
    pub key: String,
}

/// What a host name ends with where it has no domain.
const DOMAIN: &str = "internal";

impl Guest {
    /// The id of the instance: as given, else the machine's uuid, else one made from what tells it apart. It stays the same
    /// as long as the guest does, and a clone has another.
    pub fn id(&self) -> String {
        let given = ["instance-id", "instance_id", "uuid"].iter().find_map(|key| self.text(key));
        given.or_else(|| self.who.uuid.clone()).unwrap_or_else(|| self.made_uuid())
    }

    /// From the card, else the name, else the address: in the form of a uuid of nobody's scheme (RFC 9562, version 8).
    fn made_uuid(&self) -> String {
        let address = || self.who.address.map(|address| address.to_string());
        let what = self.who.mac.clone().or_else(|| self.who.names.first().cloned()).or_else(address);
        let digest = sha256(format!("firstlight guest {}", what.unwrap_or_default()).as_bytes());
        let part = |from, to| digest.get(from..to).unwrap_or_default();
        format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// Its name without a domain.
    pub fn name(&self) -> String {
        let given = self.text("name");
        given.unwrap_or_else(|| self.hostname().split('.').next().unwrap_or_default().to_owned())
    }

    /// Its name with its domain.
    pub fn hostname(&self) -> String {
        let given = ["local-hostname", "local_hostname", "hostname"].iter().find_map(|key| self.text(key));
        given.unwrap_or_else(|| self.default_hostname())
    }

    fn default_hostname(&self) -> String {
        let names = || self.who.names.iter().filter(|name| self.is_a_name(name));
        if let Some(full) = names().find(|name| name.contains('.')) {
            return full.clone();
        }
        let name = self.who.domain.clone().or_else(|| names().next().cloned());
        // As Amazon names an instance by its address.
        let by_address = || Some(format!("ip-{}", self.who.address?.to_string().replace(['.', ':'], "-")));
        format!("{}.{DOMAIN}", name.or_else(by_address).unwrap_or_else(|| "guest".to_owned()))
    }

    /// Whether it is more than a number by which the guest is found.
    fn is_a_name(&self, name: &str) -> bool {
        let is_uuid = self.who.uuid.as_deref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(name));
        let plain: String = name.chars().filter(char::is_ascii_hexdigit).collect();
        let is_mac = name.len() == 17 && plain.len() == 12;
        !is_uuid && !is_mac && name.parse::<IpAddr>().is_err()
    }

    /// Its keys, in order. An empty list is no key, and a key without a name is never listed without one: guests took such
    /// a line for the key itself.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        let mut keys = Vec::new();
        let given = ["public-keys", "public_keys"].iter().find_map(|key| self.given.get(*key));
        match given {
            Some(Value::Object(named)) => named.iter().for_each(|(name, key)| add(Some(name), key, &mut keys)),
            Some(value) => add(None, value, &mut keys),
            None => {}
        }
        keys
    }

    /// A text, or a number in its digits, at the top of its meta-data; an empty one is none.
    pub fn text(&self, key: &str) -> Option<String> {
        let text = match self.given.get(key)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }
}

/// A key, a list of keys, lines of keys, or Cheesy2's `{"openssh-key": …}`.
fn add(name: Option<&str>, value: &Value, keys: &mut Vec<PublicKey>) {
    match value {
        Value::String(lines) => {
            for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let name = name.map(listed).filter(|name| !name.is_empty());
                let name = name.unwrap_or_else(|| format!("key-{}", keys.len()));
                keys.push(PublicKey { name, key: line.to_owned() });
            }
        }
        Value::Array(list) => list.iter().for_each(|value| add(name, value, keys)),
        Value::Object(entries) => {
            let own = entries.get("name").and_then(Value::as_str);
            if let Some(key) = entries.get("openssh-key") {
                add(own.or(name), key, keys);
            }
        }
        _ => {}
    }
}

/// A name on one line of a list of `NUMBER=NAME`.
fn listed(name: &str) -> String {
    name.chars().filter(|c| !c.is_control() && !"=/".contains(*c)).collect()
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    /// A guest with that meta-data.
    pub fn with(given: Value) -> Guest {
        let Value::Object(given) = given else { panic!("not an object") };
        let names = ["web.internal", "web", "52:54:00:00:00:01", "192.168.122.5"].map(str::to_owned).to_vec();
        let mac = Some("52:54:00:00:00:01".to_owned());
        let address = Some(IpAddr::from([192, 168, 122, 5]));
        Guest { who: Identity { names, mac, address, ..Identity::default() }, given: Arc::new(given) }
    }

    fn named(names: &[&str]) -> String {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let address = Some(IpAddr::from([10, 0, 0, 5]));
        Guest { who: Identity { names, address, ..Identity::default() }, given: Arc::default() }.hostname()
    }

    #[test]
    fn the_id_stays_and_a_clone_has_another() {
        let (mut guest, same) = (with(json!({})), with(json!({"local-hostname": "renamed"})));
        assert_eq!(guest.id(), same.id());
        assert_eq!(guest.id().split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        guest.who.mac = Some("52:54:00:00:00:02".to_owned());
        assert_ne!(guest.id(), same.id());
        guest.who.uuid = Some("6b0b9e2c-0000-4000-8000-000000000001".to_owned());
        assert_eq!(guest.id(), "6b0b9e2c-0000-4000-8000-000000000001");
        assert_eq!(with(json!({"instance-id": "i-1"})).id(), "i-1");
    }

    #[test]
    fn a_host_name_is_the_first_that_is_one() {
        assert_eq!(named(&["web.internal", "web"]), "web.internal");
        assert_eq!(named(&["web"]), "web.internal");
        assert_eq!(named(&["52-54-00-00-00-01", "52:54:00:00:00:01", "10.0.0.5"]), "ip-10-0-0-5.internal");
        assert_eq!(with(json!({"local-hostname": "db.example"})).name(), "db");
    }

    #[test]
    fn keys_come_in_many_shapes_and_never_without_a_name() {
        let keys = |value: Value| -> Vec<String> {
            let keys = with(json!({"public-keys": value})).public_keys();
            keys.into_iter().map(|key| format!("{}={}", key.name, key.key)).collect()
        };
        assert_eq!(keys(json!([{"openssh-key": "K1"}, {"openssh-key": "K2", "name": "me"}])), ["key-0=K1", "me=K2"]);
        assert_eq!(keys(json!({"me": "K1", "a=b/c": ["K2"], "": "K3"})), ["key-0=K3", "abc=K2", "me=K1"]);
        assert_eq!(keys(json!("K1\n# note\n\nK2\n")), ["key-0=K1", "key-1=K2"]);
        for none in [json!([]), json!({}), json!(null), json!(""), json!([{}, "", {"name": "me"}])] {
            assert_eq!(keys(none), [""; 0]);
        }
    }
}
