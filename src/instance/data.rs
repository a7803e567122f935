// SPDX-License-Identifier: Apache-2.0
//! Instance data: what `query` answers from and what templates may use.
//!
//! The shape is cloud-init's `instance-data.json`: standard names in `v1`, hoisted to the top, and what the platform says
//! in `ds.meta_data`. Properties are at `meta.NAME` besides.

use serde_json::{Map, Value, json};

use crate::instance::Instance;
use crate::seed::{MetaFormat, Seed};

/// What stands for a value that is not everyone's to read; as in cloud-init, since programs look for it.
const REDACTED: &str = "redacted for non-root user";

/// Words that name a secret wherever they stand in a key, in the spelling of [`plain`]. `private` alone is none of them:
/// `privatenet` and `private_ip` are for everyone.
const SECRET_WORDS: [&str; 7] = ["pass", "secret", "token", "credential", "privatekey", "apikey", "accesskey"];

/// Further keys whose values are secrets, spelled likewise.
const SECRETS: [&str; 4] = ["private", "randomseed", "userdata", "vendordata"];

impl Instance {
    /// The data, secrets of the platform and all; user-data and vendor-data are never in it. `distribution` is `ID` of
    /// os-release.
    pub fn data(&self, seed: &Seed, distribution: &str) -> Value {
        let (cloud, platform) = match seed.meta_format {
            MetaFormat::OpenStack => ("openstack", "openstack"),
        };
        let standard = json!({
            "availability_zone": self.availability_zone,
            "cloud_id": cloud,
            "cloud_name": cloud,
            "distro": distribution,
            "instance_id": self.id.value,
            "local_hostname": self.hostname.as_ref().map(|name| &name.value),
            "platform": platform,
            "public_ssh_keys": self.public_keys.iter().map(|key| &key.value).collect::<Vec<_>>(),
            "region": null,
            "subplatform": format!("{} ({})", seed.datasource, seed.place),
        });
        let mut data = Map::new();
        // Left out rather than null: a template's entry whose variable is missing is left out.
        let known = standard.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        data.extend(known.map(|(name, value)| (name.clone(), value.clone())));
        data.insert("v1".to_owned(), standard);
        let names = [("hostname", &self.hostname), ("name", &self.name)];
        data.extend(names.into_iter().filter_map(|(key, name)| Some((key.to_owned(), json!(name.as_ref()?.value)))));
        data.insert("meta".to_owned(), json!(self.properties));
        let raw: Value = serde_json::from_slice(&seed.meta_data.bytes).unwrap_or_default();
        data.insert("ds".to_owned(), json!({ "meta_data": raw }));
        Value::Object(data)
    }
}

/// The data for everyone to read: the same keys, the values of secrets replaced.
///
/// Those are what the platform keeps for root, values whose key has the name of a secret, private keys in PEM, and in
/// each URL what stands for user and password.
pub fn redacted(data: Value) -> Value {
    match data {
        Value::Object(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let value = if is_secret(&key) { Value::from(REDACTED) } else { redacted(value) };
                    (key, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        Value::String(text) if text.contains(" PRIVATE KEY-----") => Value::from(REDACTED),
        Value::String(text) => Value::String(without_userinfo(&text)),
        other => other,
    }
}

/// Whether a key of this name holds a secret.
pub fn is_secret(key: &str) -> bool {
    let key = plain(key);
    SECRETS.contains(&key.as_str()) || SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// `db-Api_Key` as `dbapikey`: people spell the same name in many ways.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The text with the user and password of each URL in it replaced (RFC 3986, 3.2.1): `https://ops:secret@host/` is
/// `https://redacted@host/`.
fn without_userinfo(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut new = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        new.push_str("://");
        let is_end = |c: char| c.is_whitespace() || ['/', '?', '#', '"', '\'', '<', '>'].contains(&c);
        let (authority, rest) = piece.split_at(piece.find(is_end).unwrap_or(piece.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => new.extend(["redacted@", host]),
            None => new.push_str(authority),
        }
        new.push_str(rest);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::seed::Document;

    #[test]
    fn secrets_stay_out_of_what_everyone_reads() {
        let meta_data = r#"{"uuid": "i-1", "hostname": "h.example", "name": "h", "admin_pass": "hunter2",
            "random_seed": "aHVudGVyMg==", "meta": {"edgeproxy": "10.0.0.1", "db-Password": "hunter2",
            "update": "https://ops:hunter2@mirror.example/a"}}"#;
        let seed = Seed {
            user_data: Some(Document::new("user_data", "hunter2")),
            ..Seed::new("config-drive", "here", Document::new("meta_data.json", meta_data))
        };
        let instance = Instance::from_seed(&seed, &mut Findings::default()).unwrap();
        let data = instance.data(&seed, "debian");
        assert_eq!(data["ds"]["meta_data"]["admin_pass"], "hunter2");

        let data = redacted(data);
        let text = data.to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        assert_eq!(data["meta"]["edgeproxy"], "10.0.0.1");
        assert_eq!(data["ds"]["meta_data"]["admin_pass"], REDACTED);
        for (key, value) in [("instance_id", "i-1"), ("hostname", "h.example"), ("name", "h"), ("distro", "debian")] {
            assert_eq!(data[key], value);
        }
        assert_eq!(data["v1"]["availability_zone"], Value::Null);
        assert!(data.get("availability_zone").is_none());
    }

    #[test]
    fn a_key_tells_a_secret_however_it_is_spelled() {
        for key in [
            "token",
            "joinToken",
            "api_secret",
            "db_passwd",
            "PASSPHRASE",
            "admin-pass",
            "cloudCredentials",
            "private",
            "private_key",
            "PrivateKey",
            "api-key",
            "user-data",
            "vendor_data",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["edgeproxy", "privatenet", "privaterouter", "private_ip", "public_keys", "keys", "uuid", "meta"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn a_value_that_is_a_secret_by_its_form_is_replaced() {
        for (text, expected) in [
            ("https://user:hunter2@host:8443/a?b=c@d", "https://redacted@host:8443/a?b=c@d"),
            ("https://hunter2@host", "https://redacted@host"),
            ("http://a:hunter@2@host#x", "http://redacted@host#x"),
            (
                "get ftp://a:hunter2@x, then 'git+ssh://b:hunter2@y'",
                "get ftp://redacted@x, then 'git+ssh://redacted@y'",
            ),
            ("https://host/@user", "https://host/@user"),
            ("ops@example", "ops@example"),
            ("://", "://"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2", REDACTED),
            ("-----BEGIN PUBLIC KEY-----\nabc", "-----BEGIN PUBLIC KEY-----\nabc"),
        ] {
            assert_eq!(redacted(json!([text])), json!([expected]));
        }
    }
}
