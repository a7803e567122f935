// SPDX-License-Identifier: Apache-2.0
//! A report to a URL that the guest is up.
//!
//! Key as cloud-init's `cc_phone_home`. The report arrives at least once: one that the machine's end cut off is sent again.
//! Unlike there leaving out `tries` is nothing to warn of, an answer like 404 is not asked for again, and a report that did
//! not arrive makes the outcome "recoverable errors".

use std::time::Duration;

use serde_json::json;

use crate::config::template::{self, Purpose as Rendering};
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located};
use crate::http;
use crate::modules::{Input, Module, Planner, hostname};
use crate::plan::action::Action;
use crate::plan::request::{Field, Purpose, Request};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "phone_home", stage: Stage::Final, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Report to a URL when the machine is up.
        phone_home: Located<PhoneHome>,
    }
}

crate::keys! {
    struct PhoneHome {
        /// Where the form is sent to; `$INSTANCE_ID` in it stands for the instance's id.
        url: Located<String>,
        /// `all` (the default), or a list of pub_key_rsa, pub_key_ecdsa, pub_key_ed25519, instance_id, hostname and fqdn.
        post: OneOrMany<Located<String>>,
        /// How often it is tried; 10 times unless said otherwise.
        tries: u32,
    }
}

/// All fields of the form.
const FIELDS: [&str; 6] = ["pub_key_rsa", "pub_key_ecdsa", "pub_key_ed25519", "instance_id", "hostname", "fqdn"];
const TRIES: u32 = 10;
/// A connection that fails, and the longest pause before the next.
const ONE_TRY: Duration = Duration::from_secs(15);
/// Other steps wait behind this one.
const LONGEST: Duration = Duration::from_secs(30 * 60);

fn plan(input: &Input, planner: &mut Planner) {
    let Some(asked) = Keys::take(input.config, &mut planner.findings).phone_home else { return };
    let Some(url) = url(&asked, input, &mut planner.findings) else { return };
    let mut fields = Vec::new();
    for name in names(asked.post.as_ref(), &mut planner.findings) {
        fields.push((name.to_owned(), field(name, input)));
    }
    let tries = asked.tries.unwrap_or(TRIES);
    let limit = ONE_TRY.saturating_mul(tries.max(2)).min(LONGEST);
    let request = Request { url, headers: Vec::new(), tries, limit, purpose: Purpose::Report(fields) };
    planner.step("phone_home", &asked.origin).action(Action::Request(request));
}

/// The URL with the instance's id in it.
fn url(asked: &Located<PhoneHome>, input: &Input, findings: &mut Findings) -> Option<String> {
    let Some(url) = &asked.url else {
        findings.push(Finding::error(&asked.origin, "there is no `url` to report to; nothing is sent"));
        return None;
    };
    let id = input.instance.id.as_str();
    let known = json!({ "INSTANCE_ID": id, "instance_id": id });
    let text = match url.contains("{{") {
        true => template::render(url, &url.origin, &known, Rendering::UserData, findings)?,
        false => url.replace("${INSTANCE_ID}", id).replace("$INSTANCE_ID", id),
    };
    let text = text.trim();
    match http::parse(text) {
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            findings.push(error.while_doing("nothing is sent").finding(&url.origin));
            None
        }
    }
}

/// The fields that are asked for and known.
fn names(asked: Option<&OneOrMany<Located<String>>>, findings: &mut Findings) -> Vec<&'static str> {
    let Some(OneOrMany(asked)) = asked else { return FIELDS.to_vec() };
    let mut names = Vec::new();
    for name in asked {
        match FIELDS.iter().find(|known| **known == name.value) {
            _ if name.value == "all" => names.extend(FIELDS),
            Some(known) => names.push(*known),
            None => {
                let unknown =
                    Finding::error(&name.origin, format!("`{}` can't be reported; it is left out", name.value));
                let unknown = unknown.help(format!("`all`, or of {}", FIELDS.join(", ")));
                findings.push(unknown.did_you_mean(&name.value, FIELDS));
            }
        }
    }
    names
}

fn field(name: &str, input: &Input) -> Field {
    if let Some(kind) = name.strip_prefix("pub_key_") {
        return Field::File(format!("/etc/ssh/ssh_host_{kind}_key.pub").into());
    }
    if name == "instance_id" {
        return Field::Text(input.instance.id.value.clone());
    }
    // What is wrong with the names is said where the machine gets them.
    let own = || input.guest.read_text("/etc/hostname").map(|text| text.trim().to_owned());
    let text = match hostname::names(input, &mut Planner::default()) {
        Some(names) if name == "fqdn" => names.value.qualified.or(Some(names.value.short)),
        Some(names) => Some(names.value.short),
        None => own(),
    };
    Field::Text(text.unwrap_or_else(|| "N/A".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    /// The request, and what is said.
    fn sends(config: &str) -> (Option<Request>, Vec<String>) {
        let outcome = Bench::new(&format!("phone_home: {config}")).hostname("vm1.example.org").plan(plan);
        let request = outcome.steps.iter().flat_map(|step| &step.actions).find_map(|action| match action {
            Action::Request(request) => Some(request.clone()),
            _ => None,
        });
        (request, outcome.findings.iter().map(|finding| finding.message.clone()).collect())
    }

    fn fields(request: &Request) -> Vec<(&str, Field)> {
        let Purpose::Report(fields) = &request.purpose else { panic!() };
        fields.iter().map(|(name, field)| (name.as_str(), field.clone())).collect()
    }

    #[test]
    fn all_is_reported_unless_told_otherwise() {
        for config in ["{url: 'http://h/$INSTANCE_ID/'}", "{url: 'http://h/${INSTANCE_ID}/', post: all, tries: 10}"] {
            let (request, said) = sends(config);
            let request = request.unwrap();
            assert_eq!((request.url.as_str(), request.tries, said.len()), ("http://h/i-1/", 10, 0), "{said:?}");
            let fields = fields(&request);
            assert_eq!(fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), FIELDS);
            assert_eq!(fields[0].1, Field::File("/etc/ssh/ssh_host_rsa_key.pub".into()));
            let texts = ["i-1", "vm1", "vm1.example.org"].map(|text| Field::Text(text.to_owned()));
            assert_eq!(fields[3..].iter().map(|(_, field)| field.clone()).collect::<Vec<_>>(), texts);
        }
    }

    #[test]
    fn a_field_that_is_not_known_costs_only_itself() {
        let (request, said) =
            sends("{url: 'http://h/{{ INSTANCE_ID }}', post: [fqdn, pub_key_dsa, hostnam], tries: '3'}");
        let request = request.unwrap();
        assert_eq!((request.url.as_str(), request.tries, fields(&request).len()), ("http://h/i-1", 3, 1));
        assert!(said.len() == 2 && said[0].contains("`pub_key_dsa`"), "{said:?}");
    }

    #[test]
    fn without_a_url_nothing_is_sent() {
        for config in ["{post: all}", "{url: example.org}", "{url: 'ftp://h/'}", "[]"] {
            let (request, said) = sends(config);
            assert!(request.is_none() && said.len() == 1, "{config}: {said:?}");
        }
    }
}
