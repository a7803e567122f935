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

/// Keys whose values are secrets, wherever they stand: in lower case, `-` as `_`.
const SECRETS: [&str; 6] =
    ["admin_pass", "adminpass", "random_seed", "security_credentials", "user_data", "vendor_data"];

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
/// Those are what the platform keeps for root, and every key that has `password` in its name.
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
        other => other,
    }
}

/// Whether a key of this name holds a secret.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRETS.contains(&key.as_str()) || key.contains("password")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::seed::Document;

    #[test]
    fn secrets_stay_out_of_what_everyone_reads() {
        let meta_data = r#"{"uuid": "i-1", "hostname": "h.example", "name": "h", "admin_pass": "hunter2",
            "random_seed": "aHVudGVyMg==", "meta": {"edgeproxy": "10.0.0.1", "db-Password": "hunter2"}}"#;
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
}
