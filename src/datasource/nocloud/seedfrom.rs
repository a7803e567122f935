// SPDX-License-Identifier: Apache-2.0
//! What `seedfrom` names: a directory, or a server. `%s` stands for the name of each file, `__dmi.KEY__` for what the
//! firmware says.

use std::path::Path;

use crate::datasource::Service;
use crate::datasource::nocloud::tree::{self, Documents};
use crate::datasource::service::on_a_server;
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Located};
use crate::guest::Dmi;
use crate::http;
use crate::instance::without_secrets;
use crate::media::Directory;
use crate::root::Root;

/// What stands for the name of each file.
const FILE: &str = "%s";

/// What a token for the firmware's word begins with.
const TOKEN: &str = "__dmi.";

/// A field of the firmware.
type Field = fn(&Dmi) -> &str;

/// How a token is named and what it stands for: as dmidecode(8) names it, and cloud-init after it.
const KEYS: [(&str, Field); 17] = [
    ("baseboard-asset-tag", |dmi| &dmi.board_asset_tag),
    ("baseboard-manufacturer", |dmi| &dmi.board_vendor),
    ("baseboard-product-name", |dmi| &dmi.board_name),
    ("baseboard-serial-number", |dmi| &dmi.board_serial),
    ("baseboard-version", |dmi| &dmi.board_version),
    ("bios-release-date", |dmi| &dmi.bios_date),
    ("bios-vendor", |dmi| &dmi.bios_vendor),
    ("bios-version", |dmi| &dmi.bios_version),
    ("chassis-asset-tag", |dmi| &dmi.chassis_asset_tag),
    ("chassis-manufacturer", |dmi| &dmi.chassis_vendor),
    ("chassis-serial-number", |dmi| &dmi.chassis_serial),
    ("chassis-version", |dmi| &dmi.chassis_version),
    ("system-manufacturer", |dmi| &dmi.sys_vendor),
    ("system-product-name", |dmi| &dmi.product_name),
    ("system-serial-number", |dmi| &dmi.product_serial),
    ("system-uuid", |dmi| &dmi.product_uuid),
    ("system-version", |dmi| &dmi.product_version),
];

/// Reads what `seedfrom` names.
pub struct Reader<'a> {
    /// Directories are below it.
    pub root: &'a Root,
    /// For the tokens.
    pub dmi: &'a Dmi,
    /// The way to a server, where one may be asked.
    pub service: Option<&'a Service>,
}

impl Reader<'_> {
    /// The documents there, and their place for a person.
    ///
    /// # Errors
    /// Malformed where there is no seed: a place that somebody names has to be there. Transient where it is on a server, and
    /// that can't be asked by now.
    pub(super) fn read(&self, from: &Located<String>, findings: &mut Findings) -> Result<(Documents, String)> {
        let text = with_dmi(from, self.dmi, findings);
        let text = text.trim();
        let documents = match text.split_once("://") {
            None => self.directory(text, text, findings),
            Some((scheme, path)) if scheme.eq_ignore_ascii_case("file") => {
                self.directory(path.trim_start_matches("localhost"), text, findings)
            }
            Some(_) => self.server(text, findings),
        };
        Ok((documents?, shown(text)))
    }

    fn directory(&self, path: &str, text: &str, findings: &mut Findings) -> Result<Documents> {
        // At the end, the name of each file makes a directory of what stands before it.
        let directory = Path::new(path.trim_end_matches(FILE));
        if !directory.is_absolute() {
            return Err(no_place());
        }
        let place = format!("the seed at {}", shown(text));
        let opened = self.root.outside(directory).and_then(|outside| Directory::open(&outside));
        let medium = opened.map_err(|error| Error::malformed(format!("{place}: {}", error.without_advice())))?;
        tree::read(&medium, &place, findings)
    }

    fn server(&self, url: &str, findings: &mut Findings) -> Result<Documents> {
        http::parse(url).map_err(|error| error.while_doing("`seedfrom`"))?;
        let place = format!("the seed at {}", shown(url));
        let Some(service) = self.service else { return Err(on_a_server(&place)) };
        let file = |name: &str, limit| match name {
            tree::VENDOR_DATA => service.get_of_vendor(&url_of(url, name), limit),
            _ => service.get(&url_of(url, name), limit),
        };
        tree::read_each(&file, &place, findings)
    }
}

/// It is not repeated: it may be a URL, mistyped, with its password.
fn no_place() -> Error {
    Error::malformed("`seedfrom` names neither a directory nor a server")
        .help("give a path that begins with `/`, or a URL: `http://HOST/`")
}

/// What is wrong with `from` whatever machine it is for, and whatever is there.
pub fn check(from: &Located<String>, findings: &mut Findings) {
    // A value that any token may have, be it a part of a path, of a host or of a query.
    const ANY: &str = "1";
    let mut text = from.value.clone();
    for (name, _) in KEYS {
        text = text.replace(&format!("{TOKEN}{name}__"), ANY);
    }
    // Of what is left none is known.
    text = with_dmi(&Located::new(text, from.origin.clone()), &Dmi::default(), findings);
    let text = text.trim();
    let wrong = match text.split_once("://") {
        _ if text.is_empty() || from.trim().starts_with(TOKEN) => None,
        None => (!text.starts_with('/')).then(no_place),
        Some((scheme, path)) if scheme.eq_ignore_ascii_case("file") => {
            (!path.trim_start_matches("localhost").starts_with('/')).then(no_place)
        }
        Some(_) => http::parse(text).err().map(|error| error.while_doing("`seedfrom`")),
    };
    findings.extend(wrong.map(|error| error.finding(&from.origin)));
}

/// The URL of a file.
fn url_of(base: &str, name: &str) -> String {
    match base {
        _ if base.contains(FILE) => base.replace(FILE, name),
        _ if base.ends_with('/') || base.contains('?') => format!("{base}{name}"),
        _ => format!("{base}/{name}"),
    }
}

/// The place for a person: without the secrets that a URL may hold.
pub(super) fn shown(from: &str) -> String {
    match http::parse(from) {
        Ok(_) => http::shown_text(from),
        Err(_) if from.starts_with('/') || from.contains("://") => without_secrets(from),
        Err(_) => "what is neither a path nor a URL".to_owned(),
    }
}

/// The text with its tokens replaced. One that is not known stays, and is said; so is one for which the firmware has
/// nothing.
fn with_dmi(from: &Located<String>, dmi: &Dmi, findings: &mut Findings) -> String {
    let mut parts = from.split(TOKEN);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (key, rest) = part.split_once("__").unwrap_or((part, ""));
        let field = KEYS.iter().find(|(name, _)| *name == key).map(|(_, field)| field(dmi));
        if field.is_none_or(str::is_empty) {
            let wrong =
                if field.is_some() { "this machine's firmware has nothing" } else { "no such key of the firmware" };
            let names = KEYS.map(|(name, _)| name);
            let finding = Finding::error(&from.origin, format!("`{TOKEN}{key}__` in `seedfrom`: {wrong}"));
            findings.push(if field.is_some() { finding } else { finding.did_you_mean(key, names) });
        }
        match field {
            Some(value) => text = text + value + rest,
            None => text = text + TOKEN + part,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::error::Kind;
    use crate::finding::Origin;
    use crate::http::Way;
    use crate::http::scripted::{Answer, Scripted, whole};
    use crate::scratch::Scratch;
    use crate::seed::Document;

    fn from(text: &str) -> Located<String> {
        Located::new(text.to_owned(), Origin::document("settings"))
    }

    /// What a server with these answers gives, by which requests, and what is said.
    fn fetched(path: &str, answers: Vec<Answer>) -> (Result<Documents>, Vec<String>, Vec<String>) {
        let server = Scripted::start(answers);
        let deadline = Instant::now() + Duration::from_secs(60);
        let service = Service::new(Way::routed(), deadline, Duration::from_secs(9));
        let scratch = Scratch::new();
        let (root, dmi) = (scratch.root(), Dmi { chassis_serial: "7C".to_owned(), ..Dmi::default() });
        let reader = Reader { root: &root, dmi: &dmi, service: Some(&service) };
        let mut findings = Findings::default();
        let documents = reader.read(&from(&server.url(path)), &mut findings).map(|(documents, _)| documents);
        let paths = server.requests().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect();
        (documents, paths, findings.iter().map(ToString::to_string).collect())
    }

    fn good(text: &str) -> Answer {
        whole("200 OK", "", text)
    }

    fn missing() -> Answer {
        whole("404 Not Found", "", "")
    }

    #[test]
    fn each_file_costs_one_request_be_it_there_or_not() {
        for (path, asked) in [
            ("/s", "/s/%s"),
            ("/?m=__dmi.chassis-serial-number__&f=", "/?m=7C&f=%s"),
            ("/%s.yaml?m=__dmi.chassis-serial-number__", "/%s.yaml?m=7C"),
        ] {
            let asked =
                ["network-config", "meta-data", "user-data", "vendor-data"].map(|name| asked.replace("%s", name));
            let (documents, requests, said) =
                fetched(path, vec![missing(), good("instance-id: i"), good(""), missing()]);
            let (meta_data, user_data) = (Document::new("meta-data", "instance-id: i"), Document::new("user-data", ""));
            let expected = Documents { meta_data: Some(meta_data), user_data: Some(user_data), ..Documents::default() };
            assert_eq!((documents.unwrap(), requests, said), (expected, asked.to_vec(), Vec::new()));
        }
    }

    #[test]
    fn what_is_not_there_is_final_and_what_may_come_is_not() {
        let (documents, requests, _) = fetched("/", vec![missing(), good(""), missing()]);
        let error = documents.unwrap_err();
        assert_eq!((error.kind(), requests.len()), (Kind::Malformed, 3));
        assert!(error.to_string().contains("/ has no `user-data`\n"), "{error}");
        // Longer than anybody waits here.
        let busy = || whole("503 Service Unavailable", "Retry-After: 3600\r\n", "");
        for answers in [vec![busy()], vec![missing(), good(""), busy()], Vec::new()] {
            assert!(fetched("/", answers).0.unwrap_err().is_transient());
        }
        // Some stores say so of what they do not have.
        let refused = whole("403 Forbidden", "", "");
        let (documents, _, said) = fetched("/", vec![refused, good(""), good(""), busy()]);
        assert!(documents.unwrap().vendor_data.is_none());
        assert!(said[0].starts_with("network-config: error: left out: cannot fetch http://127.0.0.1:"), "{said:?}");
        assert!(said[1].starts_with("vendor-data: error: left out: cannot fetch http://127.0.0.1:"), "{said:?}");
    }

    #[test]
    fn the_firmware_fills_in_tokens() {
        let dmi =
            Dmi { product_uuid: "u-1".to_owned(), chassis_serial: "__dmi.system-uuid__".to_owned(), ..Dmi::default() };
        let mut findings = Findings::default();
        for (text, expected) in [
            ("http://h/__dmi.system-uuid__/__dmi.system-uuid__/", "http://h/u-1/u-1/"),
            // What the firmware says is not looked at again.
            ("/a/__dmi.chassis-serial-number__", "/a/__dmi.system-uuid__"),
            ("/a/__b__/", "/a/__b__/"),
        ] {
            assert_eq!(with_dmi(&from(text), &dmi, &mut findings), expected);
        }
        assert_eq!(findings.iter().count(), 0);
        assert_eq!(
            with_dmi(&from("/__dmi.bios-vendor__/__dmi.system-uid__"), &dmi, &mut findings),
            "//__dmi.system-uid__"
        );
        let said: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "settings: error: `__dmi.bios-vendor__` in `seedfrom`: this machine's firmware has nothing",
                "settings: error: `__dmi.system-uid__` in `seedfrom`: no such key of the firmware\n    help: did you mean `system-uuid`?"
            ]
        );
    }

    #[test]
    fn what_is_wrong_on_any_machine_is_said_without_asking() {
        let said = |text: &str| {
            let mut findings = Findings::default();
            check(&from(text), &mut findings);
            findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()
        };
        for text in [
            "",
            "/seed/__dmi.system-uuid__/",
            "file:///seed/",
            "http://h:__dmi.bios-version__/__dmi.system-uuid__/%s",
            "__dmi.chassis-asset-tag__",
        ] {
            assert_eq!(said(text), [""; 0], "{text}");
        }
        let no_place = "`seedfrom` names neither a directory nor a server";
        assert_eq!(said("seed"), [no_place]);
        assert_eq!(said("file://seed/"), [no_place]);
        assert_eq!(said("/a/__dmi.foo__/"), ["`__dmi.foo__` in `seedfrom`: no such key of the firmware"]);
        assert_eq!(said("ftp://ops:hunter2@h/"), ["`seedfrom`: `ftp:` URLs are not supported"]);
    }

    #[test]
    fn what_is_no_place_is_not_repeated_and_a_place_is_without_its_secrets() {
        let scratch = Scratch::new();
        let reader = Reader { root: &scratch.root(), dmi: &Dmi::default(), service: None };
        for text in ["ops:hunter2@host/?token=t0p", "http//ops:hunter2@host/", "http:/ops:hunter2@h/?t0p"] {
            let error = reader.read(&from(text), &mut Findings::default()).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("t0p"), "{error}");
        }
        assert_eq!(shown("file://ops:hunter2@host/?t0p"), "file://redacted@host/?...");
    }
}
