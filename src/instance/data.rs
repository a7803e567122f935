// SPDX-License-Identifier: Apache-2.0
//! Instance data: what `query` answers from and what templates may use.
//!
//! The shape is cloud-init's `instance-data.json`: standard names in `v1`, hoisted to the top, and what the platform says
//! in `ds.meta_data`. Properties are at `meta.NAME` besides.

use serde_json::{Map, Value, json};

use crate::config::document::Node;
use crate::config::json::BASE64;
use crate::guest::Guest;
use crate::instance::{Instance, ec2, nocloud};
use crate::json::quietly;
use crate::seed::{MetaFormat, Seed};

/// What stands for a value that is not everyone's to read; as in cloud-init, since programs look for it.
const REDACTED: &str = "redacted for non-root user";

/// Words that name a secret wherever they stand in a key, in the spelling of [`plain`]. `private` alone is none of them:
/// `privatenet` and `private_ip` are for everyone.
const SECRET_WORDS: [&str; 7] = ["pass", "secret", "token", "credential", "privatekey", "apikey", "accesskey"];

/// Further keys whose values are secrets, spelled likewise.
const SECRETS: [&str; 8] = [
    "private",
    "randomseed",
    "userdata",
    "vendordata",
    "mergedcfg",
    "mergedsystemcfg",
    "combinedcloudconfig",
    "securitycredentials",
];

impl Instance {
    /// The data, secrets of the platform and all; user-data and vendor-data are never in it.
    pub fn data(&self, seed: &Seed, guest: &Guest) -> Value {
        // As in cloud-init: a drive is its own cloud, whoever filled it. `configdrive` is what people's templates compare with.
        let platform = seed.datasource.replace('-', "");
        let named = self.cloud_name.as_deref();
        // Amazon's separate clouds are told by their regions; as there.
        let cloud_id = match (named, self.region.as_deref().unwrap_or_default()) {
            (Some("aws"), region) if region.starts_with("cn-") => "aws-china",
            (Some("aws"), region) if region.starts_with("us-gov-") => "aws-gov",
            _ => named.unwrap_or(&platform),
        };
        let is_anyones = [nocloud::NAME, ec2::NAME].contains(&seed.datasource.as_str());
        let cloud_name = named.unwrap_or(if is_anyones { "unknown" } else { &platform });
        let kernel =
            |name: &str| guest.read_text(&format!("/proc/sys/kernel/{name}")).map(|text| text.trim().to_owned());
        let release = kernel("osrelease");
        let machine = std::env::consts::ARCH;
        let system = release.as_ref().map(|release| format!("Linux-{release}-{machine}"));
        let distribution = guest.distribution.first().map_or("", String::as_str);
        let short = self.hostname.as_ref().and_then(|name| name.split('.').next());
        let mut standard = json!({
            "availability_zone": self.availability_zone,
            "cloud_id": cloud_id,
            "cloud_name": cloud_name,
            "distro": distribution,
            "distro_release": guest.codename,
            "distro_version": guest.version,
            "instance_id": self.id.value,
            "kernel_release": release,
            "local_hostname": short,
            "machine": machine,
            "platform": platform,
            "public_ssh_keys": self.public_keys.iter().map(|key| &key.value).collect::<Vec<_>>(),
            "python_version": null,
            "region": self.region,
            "subplatform": subplatform(seed),
            "system_platform": system,
            "variant": variant(guest),
        });
        let mut data = Map::new();
        // Left out rather than null: a template's entry whose variable is missing is left out.
        let known = standard.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        data.extend(known.map(|(name, value)| (name.clone(), value.clone())));
        alias(
            &mut standard,
            &["availability_zone", "cloud_name", "instance_id", "local_hostname"].map(|name| (name, name)),
        );
        data.insert("v1".to_owned(), standard);
        let names = [("hostname", &self.hostname), ("name", &self.name)];
        data.extend(names.into_iter().filter_map(|(key, name)| Some((key.to_owned(), json!(name.as_ref()?.value)))));
        data.insert("meta".to_owned(), json!(self.properties));
        let mut raw = match seed.meta_format {
            MetaFormat::OpenStack => quietly(&seed.meta_data.bytes),
            MetaFormat::NoCloud => nocloud::data(seed, &self.id),
            MetaFormat::Ec2 => ec2::data(seed),
        };
        alias(&mut raw, &[("hostname", "local_hostname"), ("uuid", "instance_id")]);
        let dynamic = ec2::dynamic(seed).map(|dynamic| ("dynamic".to_owned(), dynamic));
        let ds: Map<String, Value> = [("meta_data".to_owned(), raw)].into_iter().chain(dynamic).collect();
        data.insert("ds".to_owned(), ds.into());
        data.insert(
            "sys_info".to_owned(),
            json!({
                "dist": [distribution, guest.version, guest.codename],
                "platform": system,
                "python": null,
                "release": release,
                "system": "Linux",
                "uname": ["Linux", kernel("hostname"), release, kernel("version"), machine],
                "variant": variant(guest),
            }),
        );
        let mut data = Value::Object(data);
        list_keys(&mut data);
        data
    }
}

/// Where the platform's word came from, as the peer has it.
fn subplatform(seed: &Seed) -> String {
    let kind = match seed.datasource.as_str() {
        nocloud::NAME if seed.place.starts_with("/dev/") => "config-disk",
        nocloud::NAME => "seed-dir",
        "none" => return "config".to_owned(),
        _ if seed.place.contains("://") => "metadata",
        other => return format!("{other} ({})", seed.place),
    };
    // Without its file system and label, and without the places that only add to it.
    let place = [" (", " and "].iter().fold(seed.place.as_str(), |place, end| place.split(end).next().unwrap_or(place));
    format!("{kind} ({place})")
}

/// The image's own configuration, by the names that the peer has for it.
pub fn set_image(data: &mut Value, image: &Node) {
    let image = image.to_json();
    set(data, "merged_cfg", image.clone());
    set(data, "merged_system_cfg", image);
}

/// The configuration of image, vendor and user together.
pub fn set_merged(data: &mut Value, config: &Node) {
    set(data, "combined_cloud_config", config.to_json());
}

fn set(data: &mut Value, key: &str, value: Value) {
    if let Value::Object(entries) = data {
        entries.insert(key.to_owned(), value);
    }
    list_keys(data);
}

/// Further names for values: with hyphens, as they were first called and templates still do.
fn alias(values: &mut Value, names: &[(&str, &str)]) {
    let Value::Object(entries) = values else { return };
    for (name, alias) in names {
        if let Some(value) = entries.get(*name).cloned() {
            entries.entry(alias.replace('_', "-")).or_insert(value);
        }
    }
}

/// The distribution as templates of the field tell them apart.
fn variant(guest: &Guest) -> &str {
    let id = guest.distribution.first().map_or("linux", String::as_str);
    match id {
        "linuxmint" | "mint" => "ubuntu",
        "redhat" => "rhel",
        _ if id.starts_with("opensuse") || id.starts_with("sle") => "suse",
        _ => id,
    }
}

/// Which values are secret, and which are in base64, by their paths: `ds/meta_data/admin_pass`.
fn list_keys(data: &mut Value) {
    let (mut secret, mut encoded) = (Vec::new(), Vec::new());
    walk(data, "", &mut |path, key, value| {
        let is_key = is_secret(key);
        if is_key || value.as_str().is_some_and(|text| redacted_text(key, text) != text) {
            secret.push(Value::from(path));
        } else if value.as_str().is_some_and(|text| text.starts_with(BASE64)) {
            encoded.push(Value::from(path));
        }
        !is_key
    });
    if let Value::Object(entries) = data {
        entries.insert("base64_encoded_keys".to_owned(), encoded.into());
        entries.insert("sensitive_keys".to_owned(), secret.into());
    }
}

/// Each entry with its path and key; what is below one only where `visit` says so.
fn walk(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &str, &Value) -> bool) {
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => return,
    };
    for (key, value) in entries {
        let path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
        if visit(&path, &key, value) {
            walk(value, &path, visit);
        }
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
                    let value = match value {
                        _ if is_secret(&key) => Value::from(REDACTED),
                        Value::String(text) => Value::String(redacted_text(&key, &text)),
                        value => redacted(value),
                    };
                    (key, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        Value::String(text) => Value::String(redacted_text("", &text)),
        other => other,
    }
}

/// The text of a key without what is a secret by its form. The query of the URL of the seed opens all of the seed.
fn redacted_text(key: &str, text: &str) -> String {
    match text.contains(" PRIVATE KEY-----") {
        true => REDACTED.to_owned(),
        false if plain(key) == "seedfrom" => without_secrets(text),
        false => without_userinfo(text),
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
pub fn without_userinfo(text: &str) -> String {
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

/// The text as it may be shown where it names a place: without user, password and query of a URL.
pub fn without_secrets(text: &str) -> String {
    let bare = without_userinfo(text);
    match bare.split_once('?') {
        Some((path, _)) if bare.contains("://") => format!("{path}?..."),
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::{Findings, Origin};
    use crate::scratch::Scratch;
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
        let scratch = Scratch::new();
        scratch.file("/etc/os-release", "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n");
        scratch.file("/proc/sys/kernel/osrelease", "6.1.0\n");
        let mut data = instance.data(&seed, &Guest::read(&scratch.root()).unwrap());
        let config = parse("password: hunter2\na: !!binary aGk=\n", &Origin::document("d"), &mut Findings::default());
        set_image(&mut data, &config.unwrap());
        assert_eq!(data["merged_cfg"]["password"], "hunter2");
        assert_eq!(data["ds"]["meta_data"]["admin_pass"], "hunter2");
        let ds = "ds/meta_data";
        assert_eq!(
            data["sensitive_keys"],
            json!([
                format!("{ds}/admin_pass"),
                format!("{ds}/meta/db-Password"),
                format!("{ds}/meta/update"),
                format!("{ds}/random_seed"),
                "merged_cfg",
                "merged_system_cfg",
                "meta/db-Password",
                "meta/update",
            ])
        );
        assert_eq!(data["base64_encoded_keys"], json!([]), "below a secret nothing is named");
        assert_eq!(data["v1"]["distro_release"], "bookworm");
        assert_eq!((&data["v1"]["local_hostname"], &data["v1"]["local-hostname"]), (&json!("h"), &json!("h")));
        assert_eq!(data["kernel_release"], "6.1.0");
        assert_eq!(data["ds"]["meta_data"]["instance-id"], "i-1");

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

    #[test]
    fn what_people_put_into_urls_is_not_shown() {
        for (word, shown) in [
            ("ds=nocloud;s=http://10.0.2.2:8000/", "ds=nocloud;s=http://10.0.2.2:8000/"),
            ("ds=nocloud;s=https://a:b@host/x?token=1", "ds=nocloud;s=https://redacted@host/x?..."),
            ("why?", "why?"),
        ] {
            assert_eq!(without_secrets(word), shown);
        }
    }

    #[test]
    fn the_way_to_the_seed_is_not_for_everyone() {
        let mut data =
            json!({"ds": {"meta_data": {"seedfrom": "https://host/%s?token=1", "docs": "https://host/?page=1"}}});
        list_keys(&mut data);
        assert_eq!(data["sensitive_keys"], json!(["ds/meta_data/seedfrom"]));
        let data = redacted(data);
        assert_eq!(data["ds"]["meta_data"], json!({"seedfrom": "https://host/%s?...", "docs": "https://host/?page=1"}));
    }
}
