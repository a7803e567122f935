// SPDX-License-Identifier: Apache-2.0
//! `firstlight query`: instance data; properties as meta.NAME.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::boot::{self, Options};
use crate::cli::{Common, print_bytes, print_exact, print_json, tell};
use crate::config::template;
use crate::error::{Error, Result};
use crate::finding::{Findings, Origin, did_you_mean};
use crate::json;

/// Print instance data: one value, all of them, or a text with values filled in
#[derive(Args)]
pub struct Arguments {
    /// A key, its levels joined by dots: `meta.edgeproxy`, `v1.instance_id`, `ds.meta_data.keys[0].name`
    #[arg(value_name = "KEY", conflicts_with_all = ["all", "format", "userdata", "vendordata"])]
    key: Option<String>,
    /// All of it, as no KEY does
    #[arg(short, long)]
    all: bool,
    /// The names of the top level, or those below KEY
    #[arg(short, long)]
    list_keys: bool,
    /// A jinja template to fill in: '{{ hostname }}'
    #[arg(short, long, value_name = "T", conflicts_with_all = ["all", "list_keys"])]
    format: Option<String>,
    /// The user-data as it was fetched; for root
    #[arg(short, long, conflicts_with_all = ["all", "list_keys", "format"])]
    userdata: bool,
    /// The vendor-data as it was fetched; for root
    #[arg(long, conflicts_with_all = ["all", "list_keys", "format", "userdata"])]
    vendordata: bool,
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let options = common.options()?;
        if self.userdata || self.vendordata {
            return self.raw(&options);
        }
        let data = boot::instance_data(&options)?;
        if let Some(text) = &self.format {
            let mut findings = Findings::default();
            let origin = Origin::document("--format");
            let rendered = template::render(text, &origin, &data, template::Purpose::UserData, &mut findings);
            findings.iter().for_each(|finding| tell(&finding.to_string()));
            return rendered.map_or(Ok(ExitCode::FAILURE), |text| print_exact(&format!("{text}\n")));
        }
        let value = self.key.as_ref().map_or(Ok(&data), |key| look_up(&data, key))?;
        match value {
            Value::Object(entries) if self.list_keys => {
                print_exact(&entries.keys().map(|name| format!("{name}\n")).collect::<String>())
            }
            _ if self.list_keys => {
                let key = self.key.as_deref().unwrap_or_default();
                Err(Error::malformed(format!("`{key}` is {}: it has no keys", json::described(value))))
            }
            Value::String(text) => print_exact(&format!("{text}\n")),
            value => print_json(value),
        }
    }

    fn raw(&self, options: &Options) -> Result<ExitCode> {
        let seed = boot::raw(options)?.ok_or_else(|| Error::absent("no configuration was found"))?;
        let documents: Vec<_> =
            if self.userdata { seed.user_data.iter().collect() } else { seed.vendor_data.iter().collect() };
        let bytes: Vec<u8> = documents.into_iter().flat_map(|document| &document.bytes).copied().collect();
        // It may be compressed: `query --userdata | zcat` is to get what was sent.
        print_bytes(&bytes)
    }
}

fn look_up<'a>(data: &'a Value, key: &str) -> Result<&'a Value> {
    let levels = key.split(['.', '[']).map(|level| level.trim_end_matches(']'));
    let mut value = data;
    for level in levels {
        let next = match value {
            Value::Array(items) => level.parse().ok().and_then(|index: usize| items.get(index)),
            Value::Object(map) => map.get(level).or_else(|| {
                // As templates name it.
                let plain = |key: &str| key.replace(|c: char| !c.is_alphanumeric(), "_");
                map.iter().find(|(key, _)| plain(key) == plain(level)).map(|(_, value)| value)
            }),
            _ => None,
        };
        value = next.ok_or_else(|| missing(value, level, key))?;
    }
    Ok(value)
}

fn missing(within: &Value, level: &str, key: &str) -> Error {
    let names: Vec<&str> = within.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let error = Error::absent(format!("there is no `{level}` in instance data (asked for `{key}`)"));
    match did_you_mean(level, names.iter().copied()) {
        Some(question) => error.help(question),
        None if names.is_empty() => error,
        None => error.help(format!("there are: {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths() {
        let data = serde_json::json!({"meta": {"edgeproxy": "10.0.0.1"}, "ds": {"meta_data": {"keys": [{"name": "k"}], "local-hostname": "h"}}});
        assert_eq!(look_up(&data, "meta.edgeproxy").unwrap(), "10.0.0.1");
        assert_eq!(look_up(&data, "ds.meta-data.keys[0].name").unwrap(), "k");
        assert_eq!(look_up(&data, "ds.meta_data.local_hostname").unwrap(), "h");
        let error = look_up(&data, "meta.edgeprox").unwrap_err().to_string();
        assert!(error.contains("did you mean `edgeproxy`?"), "{error}");
        assert!(look_up(&data, "ds.meta_data.keys[7]").is_err());
    }
}
