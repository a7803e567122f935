// SPDX-License-Identifier: Apache-2.0
//! The tree of meta-data: a directory is a list of names, one in each line, those of directories with a `/` at the end.
//!
//! What it comes to is JSON as cloud-init has it: an object for a directory; for a leaf its text, a list of its lines
//! where it has several, or the object that it is in JSON itself. Only the keys keep the names by which they are listed:
//! `public-keys/` lists `0=NAME` for what is at `public-keys/0/openssh-key`.

use serde_json::{Map, Value};

use crate::datasource::ec2::META_DATA;
use crate::datasource::ec2::imds::UNAUTHORIZED;
use crate::error::Result;
use crate::finding::{Finding, Findings, Origin};

/// Requests; a machine with fifteen interfaces needs four hundred.
const MOST_REQUESTS: usize = 2000;
/// Directories one in the other; Amazon's deepest is `network/interfaces/macs/MAC/ipv4-associations/`.
const DEPTH: usize = 8;
/// Bytes of one leaf or listing.
pub(super) const LEAF_LIMIT: u64 = 64 << 10;
/// Bytes of all of them.
const SIZE_LIMIT: u64 = 4 << 20;
/// Characters of a name; a tag's key has 128.
const NAME_LIMIT: usize = 255;

/// What is for nobody to read who does not need it: keys to the platform that the machine was given.
const UNREAD: [&str; 2] = ["iam", "identity-credentials"];
const CREDENTIALS: &str = "security-credentials";
const KEYS: &str = "public-keys";
/// Directories that some platforms list without the `/`.
const BARE: [&str; 3] = ["block-device-mapping", "placement", KEYS];

/// How a document below the tree's root is had, with its path and the most bytes of it; `None` where there is none.
pub(super) type Get<'a> = dyn FnMut(&str, u64) -> Result<Option<Vec<u8>>> + 'a;

/// Reads the tree whose root is listed so.
///
/// What can't be read costs only itself and is said. Errors: what is transient, and a service that wants another token.
pub(super) fn walk(listing: &[u8], get: &mut Get, findings: &mut Findings) -> Result<Value> {
    Walk { get, findings, requests_left: MOST_REQUESTS, bytes_left: SIZE_LIMIT }.directory("", listing, DEPTH)
}

struct Walk<'a, 'b> {
    get: &'a mut Get<'b>,
    findings: &'a mut Findings,
    requests_left: usize,
    bytes_left: u64,
}

/// A line of a listing.
struct Entry<'a> {
    name: &'a str,
    /// Where it is, with the `/` of a directory.
    path: String,
}

impl Entry<'_> {
    fn is_directory(&self) -> bool {
        self.path.ends_with('/')
    }
}

impl Walk<'_, '_> {
    /// The directory at `path`, with its `/`, or the root.
    fn directory(&mut self, path: &str, listing: &[u8], depth: usize) -> Result<Value> {
        let listing = String::from_utf8_lossy(listing);
        let lines = listing.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut entries: Vec<Entry> = lines.filter_map(|line| self.entry(path, line)).collect();
        // The few that count most are leaves of the root: they come before a bound is reached.
        entries.sort_by_key(Entry::is_directory);
        let mut values = Map::new();
        for Entry { name, path } in entries {
            if path.ends_with('/') && depth == 0 {
                self.leave_out(&path, format!("more than {DEPTH} directories one in the other"));
                continue;
            }
            let Some(content) = self.ask(&path)? else { continue };
            let value = match path.strip_suffix('/') {
                Some(_) => Some(self.directory(&path, &content, depth - 1)?),
                None if is_bare_directory(&path, &content) => {
                    Some(self.directory(&format!("{path}/"), &content, depth - 1)?)
                }
                None => leaf(content),
            };
            match value {
                Some(value) => drop(values.insert(name.to_owned(), value)),
                None => self.leave_out(&path, "it is not UTF-8 text".to_owned()),
            }
        }
        Ok(Value::Object(values))
    }

    /// What a line of the listing of `directory` means; `None` for what is not read.
    fn entry<'l>(&mut self, directory: &str, line: &'l str) -> Option<Entry<'l>> {
        let name = line.strip_suffix('/').unwrap_or(line);
        if directory.strip_suffix('/') == Some(KEYS) {
            // One that has no number is no key that could be asked for: never a key by itself.
            let path = format!("{directory}{}/openssh-key", key_number(name)?);
            return Some(Entry { name, path });
        }
        if name == CREDENTIALS || (directory.is_empty() && UNREAD.contains(&name)) {
            return None;
        }
        if !is_name(name) {
            self.leave_out(directory, "a line of this listing is no name".to_owned());
            return None;
        }
        Some(Entry { name, path: format!("{directory}{line}") })
    }

    /// The document there; `None` where there is none, or where it is left out.
    fn ask(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        if self.requests_left == 0 || self.bytes_left == 0 {
            self.leave_out("", format!("more than {MOST_REQUESTS} entries or {SIZE_LIMIT} bytes: of the rest each"));
            return Ok(None);
        }
        self.requests_left -= 1;
        match (self.get)(path, LEAF_LIMIT.min(self.bytes_left)) {
            Ok(content) => {
                let length = content.as_ref().map_or(0, |content| content.len() as u64);
                self.bytes_left = self.bytes_left.saturating_sub(length);
                Ok(content)
            }
            Err(error) if error.is_transient() || error.status() == Some(UNAUTHORIZED) => Err(error),
            Err(error) => {
                self.leave_out(path, error.without_advice());
                Ok(None)
            }
        }
    }

    fn leave_out(&mut self, path: &str, why: String) {
        let root = Origin::document(META_DATA);
        let origin = if path.is_empty() { root } else { root.key(path) };
        self.findings.push(Finding::warning(&origin, format!("{why}; it is left out")));
    }
}

/// The number of a key, by the line that lists it: `0=NAME`, or `0` where it has no name.
pub(super) fn key_number(line: &str) -> Option<&str> {
    let number = line.split('=').next()?;
    let is_number = (1..=6).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(number)
}

/// Whether it can stand in a path as it is, and leads nowhere else.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !"/?#%\\\"<>".contains(c);
    (1..=NAME_LIMIT).contains(&text.len()) && text.chars().all(is_plain) && text != "." && text != ".."
}

fn is_bare_directory(path: &str, content: &[u8]) -> bool {
    // A key itself, as CloudStack has it there, has no number.
    let lists_keys = || String::from_utf8_lossy(content).lines().all(|line| key_number(line.trim()).is_some());
    BARE.contains(&path) && (path != KEYS || lists_keys())
}

/// `None` where it is no text.
fn leaf(content: Vec<u8>) -> Option<Value> {
    let text = String::from_utf8(content).ok()?;
    let text = text.trim_end_matches(['\r', '\n']);
    let object = text.starts_with('{').then(|| serde_json::from_str::<Map<String, Value>>(text).ok()).flatten();
    Some(object.map(Value::Object).unwrap_or_else(|| match text.contains('\n') {
        true => text.lines().map(Value::from).collect(),
        false => Value::from(text),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::error::Error;

    /// What a service with these documents comes to, what was said, and what was asked.
    fn walked(documents: &[(&str, &str)]) -> (Value, Vec<String>, Vec<String>) {
        let documents: BTreeMap<&str, &str> = documents.iter().copied().collect();
        let mut asked = Vec::new();
        let mut findings = Findings::default();
        let mut get = |path: &str, _: u64| {
            asked.push(path.to_owned());
            Ok(documents.get(path).map(|text| text.as_bytes().to_vec()))
        };
        let tree = walk(documents[""].as_bytes(), &mut get, &mut findings).unwrap();
        (tree, findings.iter().map(ToString::to_string).collect(), asked)
    }

    #[test]
    fn a_tree_is_json_as_the_peer_has_it() {
        let (tree, said, asked) = walked(&[
            ("", "ami-id\nnetwork/\nsecurity-groups\nhibernation/\ngone\niam/\nidentity-credentials/\n"),
            ("ami-id", "ami-1\n"),
            ("security-groups", "default\nweb"),
            ("hibernation/", "configured\nsecurity-credentials/\njson"),
            ("hibernation/configured", ""),
            ("hibernation/json", "{\"a\": [1]}\n"),
            ("network/", "interfaces/"),
            ("network/interfaces/", "macs/"),
            ("network/interfaces/macs/", "02:00:00:00:00:01/"),
            ("network/interfaces/macs/02:00:00:00:00:01/", "device-number\nlocal-ipv4s"),
            ("network/interfaces/macs/02:00:00:00:00:01/device-number", "0"),
            ("network/interfaces/macs/02:00:00:00:00:01/local-ipv4s", "10.0.0.5\n10.0.0.6"),
        ]);
        assert_eq!(said, [""; 0]);
        assert_eq!(
            tree,
            json!({
                "ami-id": "ami-1",
                "security-groups": ["default", "web"],
                "hibernation": {"configured": "", "json": {"a": [1]}},
                "network": {"interfaces": {"macs": {
                    "02:00:00:00:00:01": {"device-number": "0", "local-ipv4s": ["10.0.0.5", "10.0.0.6"]},
                }}},
            })
        );
        assert_eq!(asked[..3], ["ami-id", "security-groups", "gone"], "leaves first");
        assert!(!asked.iter().any(|path| path.contains("iam") || path.contains("credentials")), "{asked:?}");
    }

    #[test]
    fn keys_are_where_their_numbers_say_whatever_the_list_looks_like() {
        let key = ("public-keys/0/openssh-key", "ssh-ed25519 AAAA me\n");
        for (root, path, list, expected) in [
            ("public-keys/", "public-keys/", "0=my key=1", json!({"0=my key=1": "ssh-ed25519 AAAA me"})),
            ("public-keys/", "public-keys/", "0=", json!({"0=": "ssh-ed25519 AAAA me"})),
            ("public-keys/", "public-keys/", "0/\n1=gone", json!({"0": "ssh-ed25519 AAAA me"})),
            ("public-keys", "public-keys", "0=my-key\n", json!({"0=my-key": "ssh-ed25519 AAAA me"})),
            ("public-keys/", "public-keys/", "", json!({})),
            ("public-keys/", "public-keys/", "openssh-key\n../0=x\n=\n", json!({})),
            (
                "public-keys",
                "public-keys",
                "ssh-rsa AAAA a\nssh-rsa AAAB b",
                json!(["ssh-rsa AAAA a", "ssh-rsa AAAB b"]),
            ),
        ] {
            let (tree, said, _) = walked(&[("", root), (path, list), key]);
            assert_eq!((&tree["public-keys"], said.len()), (&expected, 0), "{list}");
        }
    }

    #[test]
    fn a_directory_without_its_slash_is_told_by_its_name() {
        let (tree, said, _) =
            walked(&[("", "placement"), ("placement", "availability-zone"), ("placement/availability-zone", "nova")]);
        assert_eq!((tree, said.len()), (json!({"placement": {"availability-zone": "nova"}}), 0));
    }

    #[test]
    fn a_line_that_leads_elsewhere_is_left_out_alone() {
        for line in ["../../etc", "a/b", "..", "http://192.0.2.1/", "a?b", "<html>", "a b", "/", &"x".repeat(256)] {
            let (tree, said, asked) = walked(&[("", &format!("{line}\nami-id\n")), ("ami-id", "a")]);
            assert_eq!((tree, asked.len()), (json!({"ami-id": "a"}), 1), "{line}");
            assert_eq!(said, ["meta-data: warning: a line of this listing is no name; it is left out"]);
        }
    }

    #[test]
    fn what_cannot_be_read_costs_only_itself_unless_it_may_come_later() {
        let outcome = |error: fn() -> Error| {
            let mut findings = Findings::default();
            let mut get = |path: &str, _: u64| if path == "bad" { Err(error()) } else { Ok(Some(b"ok".to_vec())) };
            let tree = walk(b"bad\ngood", &mut get, &mut findings);
            (tree, findings.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let (tree, said) = outcome(|| Error::fatal("the server answered 403").answered(403));
        assert_eq!(tree.unwrap(), json!({"good": "ok"}));
        assert_eq!(said, ["meta-data: bad: warning: the server answered 403; it is left out"]);
        assert!(outcome(|| Error::transient("busy")).0.unwrap_err().is_transient());
        assert_eq!(outcome(|| Error::fatal("no").answered(401)).0.unwrap_err().status(), Some(401));
    }

    #[test]
    fn a_tree_without_end_ends() {
        for listing in ["a/", "a/\nb/\nc", "a\nb/\nb/\nb/\nb/\nb/\nb/\nb/\nb/"] {
            let (mut requests, mut findings) = (0, Findings::default());
            let mut get = |_: &str, _: u64| {
                requests += 1;
                Ok(Some(listing.as_bytes().to_vec()))
            };
            walk(listing.as_bytes(), &mut get, &mut findings).unwrap();
            assert!((DEPTH..=MOST_REQUESTS).contains(&requests), "{requests}");
            assert!(!findings.is_empty());
        }
        let (mut bytes, mut findings) = (0, Findings::default());
        let listing: String = (0..500).map(|number| format!("leaf-{number}\n")).collect();
        let mut get = |_: &str, limit: u64| {
            bytes += limit;
            Ok(Some(vec![b'x'; usize::try_from(limit).unwrap()]))
        };
        walk(listing.as_bytes(), &mut get, &mut findings).unwrap();
        assert_eq!((bytes, findings.iter().count()), (SIZE_LIMIT, 1), "said once");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_listings_are_bounded_and_lead_nowhere_else(
            listings in prop::collection::vec("([a-z0-9=./?%é \\-]{0,9}[/\n\r]){0,12}", 1..6),
            junk in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut requests = 0_usize;
            let mut get = |path: &str, _: u64| {
                prop_assert!(path.split('/').all(|name| name != ".." && name != "."), "{path}");
                prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.starts_with('/'), "{path}");
                requests += 1;
                Ok(listings.get(requests % (listings.len() + 1)).map_or_else(|| junk.clone(), |it| it.clone().into_bytes()))
            };
            let mut asked = Vec::new();
            let mut get = |path: &str, limit: u64| match get(path, limit) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(wrong) => {
                    asked.push(wrong);
                    Ok(None)
                }
            };
            walk(&junk, &mut get, &mut Findings::default()).unwrap();
            walk(listings[0].as_bytes(), &mut get, &mut Findings::default()).unwrap();
            prop_assert!(asked.is_empty(), "{asked:?}");
            prop_assert!(requests <= 2 * MOST_REQUESTS);
        }
    }
}
