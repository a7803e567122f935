// SPDX-License-Identifier: Apache-2.0
//! Authorities that the guest trusts, in the store of its distribution.
//!
//! Keys as cloud-init's `cc_ca_certs`. Unlike there what is no certificate is said, and whether the defaults could be
//! removed too: the peer leaves them, without a word, on most distributions that are like RHEL or SUSE.

use base64::Engine as _;

use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::guest::Family;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Command, Edit, Write};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "ca_certs", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// Authorities that the guest trusts.
        ca_certs: Located<CaCerts>,
    }
}

crate::keys! {
    struct CaCerts {
        /// Certificates as PEM; a text may hold several.
        trusted: OneOrMany<Located<String>>,
        /// Trust those of `trusted` only, and none that the distribution brings.
        remove_defaults: Located<bool>,
    }
}

/// Where one family of distributions keeps authorities.
struct Store {
    family: Family,
    /// For certificates of the administrator.
    directory: &'static str,
    /// Makes what programs read of it.
    tool: &'static str,
    /// Holds the bundles that packages bring, where those are not listed in [`LIST`].
    bundles: &'static str,
}

/// The last is that of guests of no known family too.
const STORES: [Store; 4] = [
    Store {
        family: Family::RedHat,
        directory: "/etc/pki/ca-trust/source/anchors",
        tool: "update-ca-trust",
        bundles: "/usr/share/pki/ca-trust-source",
    },
    Store {
        family: Family::Suse,
        directory: "/etc/pki/trust/anchors",
        tool: "update-ca-certificates",
        bundles: "/usr/share/pki/trust",
    },
    Store {
        family: Family::Arch,
        directory: "/etc/ca-certificates/trust-source/anchors",
        tool: "update-ca-trust",
        bundles: "/usr/share/ca-certificates/trust-source",
    },
    Store {
        family: Family::Debian,
        directory: "/usr/local/share/ca-certificates",
        tool: "update-ca-certificates",
        bundles: "",
    },
];

/// What Debian's and Alpine's package brings; one that a `!` precedes is not trusted.
const LIST: &str = "/etc/ca-certificates.conf";

fn plan(input: &Input, planner: &mut Planner) {
    let Some(wanted) = Keys::take(input.config, &mut planner.findings).ca_certs else { return };
    for (node, old, new) in [
        (input.config, "ca-certs", "ca_certs"),
        (input.config.get("ca-certs").unwrap_or(input.config), "remove-defaults", "remove_defaults"),
    ] {
        if let Some((key, _)) = node.entries().iter().find(|(key, _)| key.text() == Some(old)) {
            planner.deprecated(&key.origin, old, new);
        }
    }
    let [.., other] = &STORES;
    let store = STORES.iter().find(|store| store.family == input.guest.family()).unwrap_or(other);
    let before = planner.steps.len();
    if let Some(remove) = wanted.remove_defaults.as_ref().filter(|remove| remove.value) {
        remove_defaults(store, &remove.origin, input, planner);
    }
    let trusted = wanted.trusted.as_ref().map_or(&[][..], |texts| &texts.0);
    let certificates = trusted.iter().flat_map(|text| certificates(text, &mut planner.findings)).collect::<Vec<_>>();
    for (i, (certificate, origin)) in certificates.into_iter().enumerate() {
        let name = format!("cloud-init-ca-cert-{}.crt", i + 1);
        let write = Write::new(format!("{}/{name}", store.directory), certificate);
        planner.step(format!("ca_certs {name}"), &origin).write(write);
    }
    if planner.steps.len() == before {
        return;
    }
    if input.guest.has_tool(store.tool) {
        let tool = Command { waits_for_boot: true, ..Command::tool([store.tool]) };
        planner.step("ca_certs update", &wanted.origin).run(tool);
    } else if !input.installs("ca-certificates") {
        // The package that is still to come takes up what is in its store by then.
        let none = format!("this guest has no {}: programs do not see these certificates", store.tool);
        planner.finding(Finding::error(&wanted.origin, none).help("add `packages: [ca-certificates]`"));
    }
}

fn remove_defaults(store: &Store, origin: &Origin, input: &Input, planner: &mut Planner) {
    if !store.bundles.is_empty() && input.guest.exists(store.bundles) {
        let names = input.guest.list(store.bundles).into_iter().filter(|name| name.ends_with(".p11-kit"));
        let mut paths = names.map(|name| format!("{}/{name}", store.bundles)).peekable();
        // An earlier run may have removed them.
        if paths.peek().is_some() {
            let step = planner.step("ca_certs remove_defaults", origin);
            paths.for_each(|path| {
                step.remove(path);
            });
        }
        let back = "the next update of its package brings the distribution's authorities back";
        planner.finding(Finding::warning(origin, back).help("in the image: a package without them"));
    } else if input.guest.exists(LIST) {
        planner.step("ca_certs remove_defaults", origin).edit(Edit::new(LIST, deselected));
        if input.guest.has_tool("debconf-set-selections") {
            // Those that a newer package brings are not trusted either.
            let answer = b"ca-certificates ca-certificates/trust_new_crts select no\n".to_vec();
            let tool = Command::tool(["debconf-set-selections"]);
            let tool = Command { stdin: answer, waits_for_boot: true, ..tool };
            planner.step("ca_certs trust_new_crts", origin).run(tool);
        }
    } else {
        let nothing = "this guest lists no authorities that could be removed; its defaults stay";
        planner.finding(
            Finding::error(origin, nothing)
                .help("Alpine's ca-certificates-bundle is one file; ca-certificates has a list"),
        );
    }
}

fn deselected(list: &str) -> String {
    let line =
        |line: &str| if line.is_empty() || line.starts_with(['#', '!']) { line.to_owned() } else { format!("!{line}") };
    list.lines().map(|text| line(text) + "\n").collect()
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of one text, each as a file of its own has it; what is none is said.
fn certificates(text: &Located<String>, findings: &mut Findings) -> Vec<(String, Origin)> {
    let mut certificates = Vec::new();
    let mut blocks = text.split(BEGIN).skip(1).peekable();
    let mut bad = blocks.peek().is_none();
    for block in blocks {
        // Folded to one line where the author's YAML is.
        let body: Option<String> = block.split_once(END).map(|(body, _)| body.split_whitespace().collect());
        match body.filter(|body| is_der(body)) {
            Some(body) => {
                let lines = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
                let certificate = format!("{BEGIN}\n{}{END}\n", lines.collect::<String>());
                certificates.push((certificate, text.origin.clone()));
            }
            None => bad = true,
        }
    }
    if bad || text.contains("PRIVATE KEY-----") {
        let (what, help) = match text.contains("PRIVATE KEY-----") {
            true => {
                ("a private key is no certificate; it is left out", "take it out of the user-data, and make a new one")
            }
            false => (
                "this is no certificate in PEM, or not a whole one; it is left out",
                "a block: `- |`, and its lines indented below",
            ),
        };
        findings.push(Finding::error(&text.origin, what).help(help));
    }
    certificates
}

/// Whether it is base64 of one whole DER sequence, as a certificate is.
fn is_der(body: &str) -> bool {
    let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(body) else { return false };
    let (length, head) = match bytes.as_slice() {
        [0x30, short @ ..=0x7f, ..] => (usize::from(*short), 2),
        [0x30, 0x81, one, ..] => (usize::from(*one), 3),
        [0x30, 0x82, high, low, ..] => (usize::from(*high) << 8 | usize::from(*low), 4),
        _ => return false,
    };
    bytes.len() == length + head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    /// Four bytes in a sequence; what they mean is the tool's to judge.
    const ONE: &str = "-----BEGIN CERTIFICATE-----\n    MAQCAgEA\n    -----END CERTIFICATE-----\n";

    fn plans(release: &str, config: &str) -> Outcome {
        let bench = Bench::new(&format!("ca_certs:\n{config}")).file("/etc/os-release", release);
        let bench = bench.program("/usr/sbin/update-ca-certificates").program("/usr/bin/update-ca-trust");
        let bench = bench.file(LIST, "# a comment\n!mozilla/old.crt\nmozilla/new.crt\n");
        bench.file("/usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit", "").plan(plan)
    }

    #[test]
    fn each_certificate_is_a_file_in_the_store_of_its_distribution() {
        for (release, directory, tool) in [
            ("ID=debian\n", "/usr/local/share/ca-certificates", "update-ca-certificates"),
            ("ID=rocky\nID_LIKE=rhel\n", "/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
            ("ID=opensuse-leap\nID_LIKE=suse\n", "/etc/pki/trust/anchors", "update-ca-certificates"),
            ("ID=arch\n", "/etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
            ("ID=unheard\n", "/usr/local/share/ca-certificates", "update-ca-certificates"),
        ] {
            let outcome = plans(release, &format!("  trusted:\n   - |\n    {ONE}    {ONE}   - |\n    {ONE}"));
            for number in 1..=3 {
                let path = format!("{directory}/cloud-init-ca-cert-{number}.crt");
                let content = outcome.content(&path).unwrap();
                assert_eq!(content, "-----BEGIN CERTIFICATE-----\nMAQCAgEA\n-----END CERTIFICATE-----\n");
            }
            assert_eq!((outcome.programs(), outcome.said().len()), (vec![tool.to_owned()], 0));
            assert!(outcome.steps.last().unwrap().waits_for_boot() && !outcome.steps[0].waits_for_boot());
        }
    }

    #[test]
    fn a_store_that_is_still_to_be_installed_takes_them_up_itself() {
        let asked = format!("ca_certs:\n  trusted:\n   - |\n    {ONE}");
        let outcome = Bench::new(&asked).plan(plan);
        assert!(outcome.said()[0].contains("add `packages: [ca-certificates]`"));
        let outcome = Bench::new(&format!("{asked}\npackages: [ca-certificates]\n")).plan(plan);
        assert_eq!((outcome.steps().len(), outcome.said().len()), (1, 0), "{:?}", outcome.said());
    }

    #[test]
    fn what_is_no_certificate_is_said_and_costs_only_itself() {
        let outcome = plans(
            "ID=debian\n",
            &format!(
                "  trusted: \n   - YOUR-CERT\n   - '{BEGIN} MAQCAgE= {END}'\n   - '{BEGIN} MAQC'\n   - |\n    {ONE}"
            ),
        );
        assert_eq!((outcome.steps().len(), outcome.said().len()), (2, 3), "{:?}", outcome.said());
        let secret = plans("ID=debian\n", "  trusted: '-----BEGIN PRIVATE KEY-----s3cret'");
        assert!(secret.steps.is_empty() && !secret.said()[0].contains("s3cret"));
    }

    #[test]
    fn defaults_are_removed_where_there_is_a_list_of_them_or_a_bundle() {
        let outcome = plans("ID=alpine\n", "  remove_defaults: true\n");
        assert_eq!(outcome.content(LIST).unwrap(), "# a comment\n!mozilla/old.crt\n!mozilla/new.crt\n");
        let outcome = plans("ID=rocky\nID_LIKE=rhel\n", "  remove_defaults: true\n");
        assert_eq!(outcome.steps(), ["ca_certs remove_defaults", "ca_certs update"]);
        assert!(outcome.said()[0].contains("brings the distribution's authorities back"));
        let bench = Bench::new("ca_certs: {remove_defaults: yes}").plan(plan);
        assert_eq!((bench.steps.len(), bench.said().len()), (0, 1));
    }

    #[test]
    fn a_bundle_that_an_earlier_run_removed_is_no_error() {
        let bench = Bench::new("ca_certs: {remove_defaults: yes}").file("/etc/os-release", "ID=fedora\n");
        let outcome = bench.file("/usr/share/pki/ca-trust-source/README", "").plan(plan);
        assert_eq!((outcome.steps.len(), outcome.findings.iter().count()), (0, 1));
        assert!(outcome.said()[0].contains("warning: "));
    }

    #[test]
    fn the_old_spelling_works_and_is_said() {
        let bench = Bench::new("ca-certs: {remove-defaults: yes}").file(LIST, "a\n");
        let outcome = bench.program("/usr/sbin/update-ca-certificates").plan(plan);
        assert_eq!((outcome.steps().len(), outcome.said().len()), (2, 2), "{:?}", outcome.said());
    }
}
