// SPDX-License-Identifier: Apache-2.0
//! Where packages of Debian and Ubuntu come from, and how apt fetches them.
//!
//! Keys as cloud-init's `cc_apt_configure` and `cc_apt_pipelining`. Unlike there the guest's own lists are changed only
//! where a mirror, a list or a suite is asked for: entries keep their components and keys, and get another address.

use crate::config::document::{Node, Value};
use crate::config::types::{Named, Words};
use crate::finding::{Finding, Located};
use crate::guest::Family;
use crate::modules::repository::holds_password;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Command, Write};
use crate::plan::step::{Frequency, Stage};

mod archive;
mod key;
mod list;
mod sources;

/// See the file's head.
pub const MODULE: Module =
    Module { name: "apt", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Where packages of Debian and Ubuntu come from.
        apt: Located<Apt>,
        /// Requests that apt has under way to one server: `false` for one, a number up to 5, or `os` for apt's default.
        apt_pipelining: Node,
        /// Deprecated: `apt: {proxy}`.
        apt_proxy: Located<String>,
        /// Deprecated: `apt: {http_proxy}`.
        apt_http_proxy: Located<String>,
        /// Deprecated: `apt: {https_proxy}`.
        apt_https_proxy: Located<String>,
        /// Deprecated: `apt: {ftp_proxy}`.
        apt_ftp_proxy: Located<String>,
        /// Deprecated: `apt: {primary: [{arches: [default], uri}]}`.
        apt_mirror: Located<String>,
        /// Deprecated: `apt: {preserve_sources_list}`.
        apt_preserve_sources_list: Located<bool>,
        /// Deprecated: `apt: {sources_list}`.
        apt_custom_sources_list: Located<String>,
    }
}

crate::keys! {
    struct Apt {
        /// Leave the distribution's own lists as they are.
        preserve_sources_list: bool,
        /// In place of the distribution's own lists; `$MIRROR`, `$PRIMARY`, `$SECURITY` and `$RELEASE` stand for themselves.
        sources_list: Located<String>,
        /// More sources, by the names of their files.
        sources: Named<Located<Source>>,
        /// Mirrors of the distribution.
        primary: Vec<Located<Mirror>>,
        /// Mirrors of its security updates.
        security: Vec<Located<Mirror>>,
        /// Suites to switch off: `updates`, `backports`, `security`, `proposed`, or as in the lists.
        disable_suites: Vec<Located<String>>,
        /// Settings of apt, as in apt.conf(5).
        conf: Located<String>,
        /// Proxy for http.
        proxy: Located<String>,
        /// Proxy for http.
        http_proxy: Located<String>,
        /// Proxy for https.
        https_proxy: Located<String>,
        /// Proxy for ftp.
        ftp_proxy: Located<String>,
        /// Answers for debconf, by names of one's own: lines of `package question type answer`.
        debconf_selections: Named<Located<String>>,
        /// Which sources are for add-apt-repository: only the default, `^[\w-]+:\w`, is known.
        add_apt_repo_match: Located<String>,
    }
}

crate::keys! {
    /// One source besides the distribution's.
    pub struct Source {
        /// A line of sources.list(5), a text in its newer form, or `ppa:…`; with `$RELEASE`, `$MIRROR` and `$KEY_FILE`.
        source: Located<String>,
        /// Its public key, in ASCII.
        key: Located<String>,
        /// The fingerprint of its key, which is fetched from `keyserver`.
        keyid: Located<String>,
        /// Where keys are fetched from.
        keyserver: Located<String>,
        /// Add to the file that is there (the default), or replace it.
        append: bool,
        /// Name of the file, in place of the source's own.
        filename: Located<String>,
    }
}

crate::keys! {
    /// Mirrors for some architectures.
    pub struct Mirror {
        /// Architectures as Debian names them, or `default`.
        arches: Words,
        /// Its address.
        uri: Located<String>,
        /// Addresses, of which the first is taken.
        search: Located<Vec<String>>,
        /// Not supported.
        search_dns: Located<bool>,
        /// Its public key, in ASCII.
        key: Located<String>,
        /// The fingerprint of its key, which is fetched from `keyserver`.
        keyid: Located<String>,
        /// Where keys are fetched from.
        keyserver: Located<String>,
    }
}

const PROXY: &str = "/etc/apt/apt.conf.d/90cloud-init-aptproxy";
const CONF: &str = "/etc/apt/apt.conf.d/94cloud-init-config";
const PIPELINING: &str = "/etc/apt/apt.conf.d/90cloud-init-pipelining";

fn plan(input: &Input, planner: &mut Planner) {
    let mut keys = Keys::take(input.config, &mut planner.findings);
    let pipelining = keys.apt_pipelining.take();
    let apt = current(keys, planner);
    let Some(origin) = apt.as_ref().map(|apt| &apt.origin).or(pipelining.as_ref().map(|node| &node.origin)) else {
        return;
    };
    if !input.guest.uses(Family::Debian, &["apt-get"]) {
        return planner.finding(Finding::error(origin, "this guest has no apt; what is asked of it is left out"));
    }
    if let Some(node) = pipelining {
        pipeline(&node, planner);
    }
    let Some(apt) = apt else { return };
    proxies(&apt, planner);
    if let Some(conf) = &apt.conf {
        planner.step("apt conf", &conf.origin).write(setting(CONF, conf.value.clone()));
    }
    let archive = archive::plan(&apt, input, planner);
    if let Some(pattern) = apt.add_apt_repo_match.as_ref().filter(|pattern| pattern.value != r"^[\w-]+:\w") {
        let only = "a pattern of one's own is not supported: sources such as `ppa:…` are for add-apt-repository";
        planner.finding(Finding::error(&pattern.origin, only));
    }
    sources::plan(apt.value.sources, &archive, input, planner);
    if let Some(answers) = apt.value.debconf_selections {
        debconf(answers, input, planner);
    }
}

/// What is asked for under the names of today; those of yesterday are said, and count where today's are not given.
fn current(keys: Keys, planner: &mut Planner) -> Option<Located<Apt>> {
    let mut old = Apt::default();
    let mut first = None;
    let mut named = |origin: &crate::finding::Origin, name: &str, new: &str| {
        planner.deprecated(origin, name, new);
        first.get_or_insert_with(|| origin.clone());
    };
    let texts = [
        (keys.apt_proxy, &mut old.proxy, "apt_proxy", "apt: {proxy: …}"),
        (keys.apt_http_proxy, &mut old.http_proxy, "apt_http_proxy", "apt: {http_proxy: …}"),
        (keys.apt_https_proxy, &mut old.https_proxy, "apt_https_proxy", "apt: {https_proxy: …}"),
        (keys.apt_ftp_proxy, &mut old.ftp_proxy, "apt_ftp_proxy", "apt: {ftp_proxy: …}"),
        (keys.apt_custom_sources_list, &mut old.sources_list, "apt_custom_sources_list", "apt: {sources_list: …}"),
    ];
    for (given, place, name, new) in texts {
        if let Some(given) = given {
            named(&given.origin, name, new);
            *place = Some(given);
        }
    }
    if let Some(uri) = keys.apt_mirror {
        named(&uri.origin, "apt_mirror", "apt: {primary: [{arches: [default], uri: …}]}");
        let origin = uri.origin.clone();
        let arches = Some(Words(vec!["default".to_owned()]));
        old.primary = Some(vec![Located::new(Mirror { arches, uri: Some(uri), ..Mirror::default() }, origin)]);
    }
    if let Some(preserve) = keys.apt_preserve_sources_list {
        named(&preserve.origin, "apt_preserve_sources_list", "apt: {preserve_sources_list: …}");
        old.preserve_sources_list = Some(preserve.value);
    }
    match keys.apt {
        Some(apt) => Some(apt.map(|apt| apt.over(old))),
        None => first.map(|origin| Located::new(old, origin)),
    }
}

fn pipeline(node: &Node, planner: &mut Planner) {
    let depth = match (node.value(), node.text().unwrap_or_default()) {
        (Some(Value::Bool(false)), _) => "0",
        (_, "none" | "unchanged" | "os") => return,
        (_, depth @ ("0" | "1" | "2" | "3" | "4" | "5")) => depth,
        _ => {
            let bad = format!("expected `false`, `os` or a number from 0 to 5, found {}", node.described());
            return planner.finding(Finding::error(&node.origin, bad));
        }
    };
    let line = format!("Acquire::http::Pipeline-Depth \"{depth}\";\n");
    planner.step("apt_pipelining", &node.origin).write(Write::new(PIPELINING, line));
}

fn proxies(apt: &Apt, planner: &mut Planner) {
    let mut lines = String::new();
    let mut origin = None;
    let http = apt.http_proxy.as_ref().or(apt.proxy.as_ref());
    for (scheme, proxy) in [("http", http), ("https", apt.https_proxy.as_ref()), ("ftp", apt.ftp_proxy.as_ref())] {
        let Some(proxy) = proxy.filter(|proxy| !proxy.is_empty()) else { continue };
        if proxy.contains(|c: char| c.is_whitespace() || c.is_control() || "\"\\;".contains(c)) {
            planner.finding(Finding::error(&proxy.origin, "this is no address of a proxy; it is left out"));
            continue;
        }
        if holds_password(proxy) {
            let read = "every user of the guest can read the password of this proxy";
            planner.finding(Finding::warning(&proxy.origin, read).help("apt reads its settings as whoever calls it"));
        }
        lines += &format!("Acquire::{scheme}::Proxy \"{}\";\n", proxy.value);
        origin.get_or_insert_with(|| proxy.origin.clone());
    }
    if let Some(origin) = origin {
        planner.step("apt proxy", &origin).write(setting(PROXY, lines));
    }
}

/// A file of settings; not shown where an address in it has a password.
fn setting(path: &str, mut text: String) -> Write {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let secret = holds_password(&text);
    let write = Write::new(path, text);
    if secret { write.secret() } else { write }
}

fn debconf(answers: Named<Located<String>>, input: &Input, planner: &mut Planner) {
    let mut answers = answers.0;
    answers.sort_by(|(one, _), (other, _)| one.value.cmp(&other.value));
    let Some((first, _)) = answers.first() else { return };
    if !input.guest.has_tool("debconf-set-selections") {
        let none = "this guest has no debconf-set-selections; the answers are left out";
        return planner.finding(Finding::error(&first.origin, none));
    }
    let stdin: String = answers.iter().map(|(_, text)| format!("{}\n", text.trim_end())).collect();
    let tool = Command { stdin: stdin.into_bytes(), waits_for_boot: true, ..Command::tool(["debconf-set-selections"]) };
    planner.step("apt debconf_selections", &first.origin).stage(Stage::Final).run(tool);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn plans(config: &str) -> Outcome {
        Bench::new(config).file("/etc/os-release", "ID=debian\n").program("/usr/bin/debconf-set-selections").plan(plan)
    }

    #[test]
    fn pipelining_is_off_by_false_and_left_by_os() {
        for (value, depth) in [("false", Some("0")), ("3", Some("3")), ("os", None), ("unchanged", None)] {
            let outcome = plans(&format!("apt_pipelining: {value}"));
            let expected = depth.map(|depth| format!("Acquire::http::Pipeline-Depth \"{depth}\";\n"));
            assert_eq!((outcome.content(PIPELINING), outcome.said().len()), (expected, 0));
        }
        assert_eq!(plans("apt_pipelining: 9").said().len(), 1);
    }

    #[test]
    fn proxies_and_settings_are_files_that_apt_reads() {
        let outcome =
            plans("apt: {proxy: 'http://p:1/', https_proxy: 'http://q/', ftp_proxy: 'a\"; b', conf: 'A \"b\";'}");
        let expected = "Acquire::http::Proxy \"http://p:1/\";\nAcquire::https::Proxy \"http://q/\";\n";
        assert_eq!(outcome.content(PROXY).as_deref(), Some(expected));
        assert_eq!(outcome.content(CONF).as_deref(), Some("A \"b\";\n"));
        assert_eq!(outcome.said().len(), 1);
        let outcome = plans("apt: {proxy: 'http://u:s3cret@p/'}");
        let crate::plan::action::Action::Write(write) = &outcome.steps[0].actions[0] else { panic!() };
        assert!(write.secret && !outcome.said()[0].contains("s3cret"));
    }

    #[test]
    fn old_names_count_where_the_new_are_not_given() {
        let outcome = plans("apt_proxy: http://old/\napt_https_proxy: http://s/\napt: {proxy: 'http://new/'}\n");
        let expected = "Acquire::http::Proxy \"http://new/\";\nAcquire::https::Proxy \"http://s/\";\n";
        assert_eq!((outcome.content(PROXY).as_deref(), outcome.said().len()), (Some(expected), 2));
    }

    #[test]
    fn answers_go_to_debconf_by_its_input_alone() {
        let outcome = plans("apt: {debconf_selections: {b: 'x x/y string s3cret', a: \"m m/n select no\\n\"}}");
        let crate::plan::action::Action::Run(run) = &outcome.steps[0].actions[0] else { panic!() };
        assert_eq!(String::from_utf8_lossy(&run.stdin), "m m/n select no\nx x/y string s3cret\n");
        assert_eq!((run.argv.len(), outcome.steps[0].stage), (1, Stage::Final));
    }

    #[test]
    fn a_guest_without_apt_is_said() {
        for config in ["apt: {proxy: x}", "apt_pipelining: 3", "apt_mirror: x"] {
            let outcome = Bench::new(config).file("/etc/os-release", "ID=alpine\n").plan(plan);
            assert!(outcome.steps.is_empty() && outcome.said().last().unwrap().contains("no apt"));
        }
    }
}
