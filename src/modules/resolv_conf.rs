// SPDX-License-Identifier: Apache-2.0
//! The resolver: which name servers are asked, where the network does not say it.
//!
//! Keys as cloud-init's `cc_resolv_conf`, and as there nothing is done without `manage_resolv_conf: true`. Who else would
//! write the file is heeded: systemd-resolved gets a drop-in in its own words, NetworkManager is told to leave it alone.

use std::net::IpAddr;
use std::path::Path;

use crate::config::document::{Node, Value};
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Module, Planner};
use crate::network::render::resolv_conf::{PATH, lines};
use crate::plan::action::Write;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "resolv_conf", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Write the resolver's file by `resolv_conf`.
        manage_resolv_conf: Located<bool>,
        /// What to write.
        resolv_conf: Located<Resolver>,
    }
}

crate::keys! {
    /// The resolver's file.
    struct Resolver {
        /// Addresses of name servers, at most three of which the C library asks.
        nameservers: Vec<Located<String>>,
        /// Domains in which a short name is looked up.
        searchdomains: Vec<Located<String>>,
        /// The machine's own domain.
        domain: Located<String>,
        /// Networks whose addresses are preferred.
        sortlist: Vec<Located<String>>,
        /// Options: `rotate: true`, `timeout: 1`.
        options: Node,
    }
}

/// Before what is written.
const HEADER: &str = "# Written by firstlight (manage_resolv_conf).\n";

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let managed = keys.manage_resolv_conf.as_ref().filter(|manage| manage.value);
    let (manage, asked) = match (managed, keys.resolv_conf) {
        (Some(manage), Some(asked)) => (manage, asked),
        (Some(manage), None) => {
            let nothing = "there is no `resolv_conf` to write; the resolver stays as it is";
            return planner.finding(Finding::warning(&manage.origin, nothing));
        }
        (None, Some(asked)) => {
            let idle = "`resolv_conf` does nothing without `manage_resolv_conf: true`";
            return planner.finding(Finding::warning(&asked.origin, idle));
        }
        (None, None) => return,
    };
    let resolver = &asked.value;
    let servers = servers(resolver.nameservers.as_deref().unwrap_or_default(), &mut planner.findings);
    let search = words(resolver.searchdomains.as_deref().unwrap_or_default(), &mut planner.findings);
    let sortlist = words(resolver.sortlist.as_deref().unwrap_or_default(), &mut planner.findings);
    let domain = words(resolver.domain.as_slice(), &mut planner.findings);
    let options = options(resolver.options.as_ref(), &mut planner.findings);
    let resolved = input.guest.link_target(PATH).is_some_and(|target| Path::new("systemd") == by(&target));
    if resolved {
        if !sortlist.is_empty() || !options.is_empty() {
            let unheard = "systemd-resolved knows no `sortlist` and no `options`; they are left out";
            planner.finding(Finding::warning(&asked.origin, unheard));
        }
        let file = "/etc/systemd/resolved.conf.d/50-firstlight.conf";
        let note = format!("{PATH} is systemd-resolved's; {file} is written in its place");
        planner.finding(Finding::note(&manage.origin, note));
        let servers: Vec<String> = servers.iter().map(IpAddr::to_string).collect();
        let domains = [domain, search].concat();
        // Empty ones first, as what other files say would be added to.
        let content =
            format!("{HEADER}[Resolve]\nDNS=\nDNS={}\nDomains=\nDomains={}\n", servers.join(" "), domains.join(" "));
        planner
            .step("resolv_conf", &asked.origin)
            .write(Write::new(file, content))
            .restart("systemd-resolved.service", input.guest);
        return;
    }
    let mut content = HEADER.to_owned();
    for (keyword, words) in [("domain", &domain), ("sortlist", &sortlist), ("options", &options)] {
        if !words.is_empty() {
            content.extend([keyword, " ", &words.join(" "), "\n"]);
        }
    }
    content += &lines(&search, &servers);
    let step = planner.step("resolv_conf", &asked.origin);
    if input.guest.exists("/etc/NetworkManager") {
        let content = format!("{HEADER}[main]\ndns=none\n");
        step.write(Write::new("/etc/NetworkManager/conf.d/90-firstlight-dns.conf", content));
    }
    // In place of another program's link, not through it: what it leads to is that program's, or gone with the boot.
    if input.guest.is_link(PATH) {
        step.remove(PATH);
    }
    step.write(Write::new(PATH, content));
}

/// Whose directory below `/run` a link leads to.
fn by(target: &Path) -> &Path {
    let mut parts = target.components().skip_while(|part| part.as_os_str() != "run");
    parts.nth(1).map_or(Path::new(""), |part| Path::new(part.as_os_str()))
}

fn servers(asked: &[Located<String>], findings: &mut Findings) -> Vec<IpAddr> {
    let server = |asked: &Located<String>| match asked.trim().parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let wrong = format!("`{}` is no IP address; it is left out", asked.escape_debug());
            findings.push(Finding::error(&asked.origin, wrong).help("a name server goes by its address: 10.0.0.1"));
            None
        }
    };
    asked.iter().filter_map(server).collect()
}

/// Words that stand on one line of the file.
fn words(asked: &[Located<String>], findings: &mut Findings) -> Vec<String> {
    let is_word = |word: &str| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c.is_control());
    let (good, bad): (Vec<_>, Vec<_>) = asked.iter().partition(|word| is_word(word));
    findings.extend(bad.into_iter().map(|word| {
        Finding::error(&word.origin, format!("`{}` is not one word; it is left out", word.escape_debug()))
    }));
    good.into_iter().map(|word| word.value.clone()).collect()
}

/// Flags that are set first, as the peer writes them, then what has a value, by name.
fn options(asked: Option<&Node>, findings: &mut Findings) -> Vec<String> {
    let Some(asked) = asked else { return Vec::new() };
    let (mut flags, mut values) = (Vec::new(), Vec::new());
    for (name, value) in asked.entries() {
        match (name.text(), value.value()) {
            (_, Some(Value::Bool(false) | Value::Null)) => {}
            (Some(name), Some(Value::Bool(true))) => flags.push(Located::new(name.to_owned(), value.origin.clone())),
            (Some(name), Some(_)) => {
                let text = format!("{name}:{}", value.text().unwrap_or_default());
                values.push(Located::new(text, value.origin.clone()));
            }
            _ => findings.push(Finding::error(&value.origin, format!("expected a value, found {}", value.described()))),
        }
    }
    // A list of them is what the file itself has.
    flags.extend(
        asked
            .items()
            .into_iter()
            .flatten()
            .filter_map(|item| Some(Located::new(item.text()?.to_owned(), item.origin.clone()))),
    );
    values.sort_by(|one, other| one.value.cmp(&other.value));
    flags.extend(values);
    words(&flags, findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    const ASKED: &str = "manage_resolv_conf: true\nresolv_conf:\n  nameservers: [10.0.0.1, 'fd00::1', dns]\n  \
                         searchdomains: [a.example, b.example]\n  domain: example\n  sortlist: [10.0.0.0/8]\n  \
                         options: {timeout: 1, rotate: true, edns0: false}\n";

    #[test]
    fn the_file_says_what_is_asked_for() {
        let outcome = Bench::new(ASKED).file("/etc/NetworkManager/NetworkManager.conf", "").plan(plan);
        assert_eq!(
            outcome.content(PATH).as_deref(),
            Some(
                "# Written by firstlight (manage_resolv_conf).\ndomain example\nsortlist 10.0.0.0/8\n\
                 options rotate timeout:1\nsearch a.example b.example\nnameserver 10.0.0.1\nnameserver fd00::1\n"
            )
        );
        assert_eq!(outcome.said().len(), 1);
        assert!(outcome.said()[0].starts_with("user_data:3:38: error: `dns` is no IP address"));
        let manager = outcome.content("/etc/NetworkManager/conf.d/90-firstlight-dns.conf").unwrap();
        assert!(manager.ends_with("[main]\ndns=none\n"));
    }

    #[test]
    fn a_resolver_that_runs_is_told_in_its_own_words() {
        for link in ["../run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/resolv.conf"] {
            let outcome = Bench::new(ASKED).link(PATH, link).plan(plan);
            let content = outcome.content("/etc/systemd/resolved.conf.d/50-firstlight.conf").unwrap();
            assert!(content.ends_with("DNS=10.0.0.1 fd00::1\nDomains=\nDomains=example a.example b.example\n"));
            assert_eq!(outcome.said().len(), 3, "{:?}", outcome.said());
        }
        let outcome = Bench::new(ASKED).link(PATH, "../run/resolvconf/resolv.conf").plan(plan);
        assert!(outcome.content(PATH).unwrap().contains("nameserver 10.0.0.1"));
    }

    #[test]
    fn nothing_is_done_unless_both_keys_say_so() {
        for (config, said) in [
            ("resolv_conf: {nameservers: [10.0.0.1]}", 1),
            ("manage_resolv_conf: true", 1),
            ("manage_resolv_conf: false", 0),
            ("", 0),
        ] {
            let outcome = Bench::new(config).plan(plan);
            assert_eq!((outcome.steps().len(), outcome.said().len()), (0, said), "{config}");
        }
    }
}
