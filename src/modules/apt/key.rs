// SPDX-License-Identifier: Apache-2.0
//! Keys that apt trusts. One that is given as text is a file that apt reads as it is; one that is named is fetched.

use std::path::Path;

use crate::finding::{Finding, Located};
use crate::modules::{Input, Planner, shell};
use crate::plan::action::{Command, Write};
use crate::plan::step::Stage;

/// Trusted for every source.
pub const TRUSTED: &str = "/etc/apt/trusted.gpg.d";
/// Trusted only by the sources that name them.
pub const NAMED: &str = "/etc/apt/keyrings";

const KEYSERVER: &str = "keyserver.ubuntu.com";
const FETCH: &str = include_str!("key.sh");
const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A key as it is asked for.
pub struct Key<'a> {
    /// What its file is called, before the ending.
    pub name: &'a str,
    /// The key itself.
    pub key: &'a Option<Located<String>>,
    /// Its fingerprint, where it is to be fetched.
    pub id: &'a Option<Located<String>>,
    /// From where.
    pub server: &'a Option<Located<String>>,
}

/// There is a key, and it can't be had: that is said already.
pub struct Unusable;

/// A step for the key: its path, where there is one.
pub fn step(key: &Key, directory: &str, input: &Input, planner: &mut Planner) -> Result<Option<String>, Unusable> {
    let name = Path::new(key.name).file_stem().unwrap_or_default().to_string_lossy();
    let path = format!("{directory}/{name}.asc");
    if let Some(text) = key.key {
        if !text.trim_start().starts_with(BEGIN) {
            let wrong = "this is no public key in ASCII; what it is for is left out";
            planner.finding(Finding::error(&text.origin, wrong).help("as `gpg --armor --export` prints it"));
            return Err(Unusable);
        }
        let content = format!("{}\n", text.trim());
        planner.step(format!("apt key {name}"), &text.origin).write(Write::new(path.clone(), content));
        return Ok(Some(path));
    }
    let Some(id) = key.id else { return Ok(None) };
    let digits: String = id.split_whitespace().collect();
    let server = key.server.as_ref().map_or(KEYSERVER, |server| server.as_str());
    let bare = digits.strip_prefix("0x").unwrap_or(&digits);
    let problem = if bare.len() < 8 || !bare.chars().all(|c| c.is_ascii_hexdigit()) {
        "this is no fingerprint of a key"
    } else if server.is_empty() || server.starts_with('-') || server.contains(char::is_whitespace) {
        "its `keyserver` is no address"
    } else if !input.guest.has_tool("gpg") {
        "this guest has no gpg to fetch the key with"
    } else {
        let command = Command::fetching(5, [server, &digits, &path]);
        let step = planner.step(format!("apt key {name}"), &id.origin).stage(Stage::Final);
        shell::tool(step, &format!("apt-key-{name}"), FETCH, command, input);
        return Ok(Some(path));
    };
    let left_out = format!("{problem}; what it is for is left out");
    planner.finding(Finding::error(&id.origin, left_out).help("give the key itself as `key`"));
    Err(Unusable)
}
