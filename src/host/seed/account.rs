// SPDX-License-Identifier: Apache-2.0
//! What only a cloud-config can say: the user, the password, and where the seed has no place of its own for them, the files.
//!
//! It goes into user-data. In vendor-data it would lose to the person's own: there a list such as `write_files` takes the
//! place of the other, and a guest may want no vendor-data at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::config::document;
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings};
use crate::host::seed::multipart;
use crate::host::seed::request::{Account, GuestFile, Request};
use crate::seed::Document;

/// The cloud-config of the options; `None` where they ask for nothing that needs one.
pub fn cloud_config(account: &Account, files: &[GuestFile]) -> Option<String> {
    let mut config = Map::new();
    let mut user = Map::new();
    if let Some(name) = &account.name {
        user.insert("name".into(), name.as_str().into());
    }
    if let Some(hash) = &account.hash {
        // cloud-init knows a yescrypt hash here, and would take it for the password itself in `password`. Both agents set
        // it for a user who is there already, too.
        user.insert("hashed_passwd".into(), hash.as_str().into());
        user.insert("lock_passwd".into(), false.into());
    }
    if !user.is_empty() {
        config.insert("user".into(), user.into());
    }
    if !files.is_empty() {
        config.insert("write_files".into(), files.iter().map(entry).collect());
    }
    let text = serde_json::to_string_pretty(&config).unwrap_or_default();
    (!config.is_empty()).then(|| format!("#cloud-config\n{text}\n"))
}

fn entry(file: &GuestFile) -> Value {
    let path = format!("/{}", file.path.trim_start_matches('/'));
    json!({ "path": path, "encoding": "b64", "content": STANDARD.encode(&file.content) })
}

/// The user-data of the seed: the person's, and with it what the options ask for.
///
/// # Errors
/// Malformed where the person's own sets the same, with the place: it would silently win.
pub fn user_data(request: &Request, config: Option<&str>) -> Result<Option<Vec<u8>>> {
    let Some(config) = config else { return Ok(request.user_data.as_ref().map(|document| document.bytes.clone())) };
    let own = request.user_data.as_ref().filter(|document| !document.bytes.trim_ascii().is_empty());
    let Some(own) = own else { return Ok(Some(config.into())) };
    conflict(own, &request.account)?;
    multipart::joined(&own.bytes, config).map(Some).map_err(|error| error.while_doing(&own.name))
}

/// Looks where most user-data says who its user is. Of the other forms the merged result is for the agent to know.
fn conflict(own: &Document, account: &Account) -> Result<()> {
    let Some(text) = std::str::from_utf8(&own.bytes).ok().filter(|text| text.starts_with("#cloud-config")) else {
        return Ok(());
    };
    let Some(node) = document::parse(text, &own.origin(), &mut Findings::default()) else { return Ok(()) };
    let asked = [
        ("user", account.name.is_some() || account.hash.is_some(), "--user or --password"),
        ("password", account.hash.is_some(), "--password"),
    ];
    for (key, by_options, option) in asked {
        if let Some(value) = node.get(key).filter(|value| by_options && !value.is_null()) {
            let wrong = format!("`{key}` is said here, and by {option}");
            return Err(Error::from(Finding::error(&value.origin, wrong).help("leave one of them out")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account { name: Some("ops".to_owned()), hash: Some("$6$salt$hash".to_owned()) }
    }

    #[test]
    fn the_options_alone_are_a_plain_cloud_config() {
        assert_eq!(cloud_config(&Account::default(), &[]), None);
        let files = [GuestFile { path: "etc/motd".to_owned(), content: b"hello\n".to_vec() }];
        let text = cloud_config(&account(), &files).unwrap();
        let config: Value = serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap();
        assert_eq!(config["user"], json!({"name": "ops", "hashed_passwd": "$6$salt$hash", "lock_passwd": false}));
        assert_eq!(config["write_files"][0]["path"], "/etc/motd");
        assert_eq!(user_data(&Request::default(), Some(&text)).unwrap().unwrap(), text.into_bytes());
    }

    #[test]
    fn what_both_say_is_refused_at_its_place() {
        let refused =
            |text: &str| conflict(&Document::new("u.yaml", text), &account()).map_err(|error| error.to_string());
        let error = refused("#cloud-config\ntimezone: UTC\npassword: sesame\n").unwrap_err();
        assert!(error.starts_with("u.yaml:3:11: `password` is said here, and by --password\n"), "{error}");
        assert!(refused("#cloud-config\nuser: admin\n").is_err());
        for fine in [
            "#cloud-config\nusers: [default]\n",
            "#cloud-config\nuser:\n",
            "#!/bin/sh\npassword: x\n",
            "#cloud-config\n[",
        ] {
            assert!(refused(fine).is_ok(), "{fine}");
        }
    }
}
