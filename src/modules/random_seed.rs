// SPDX-License-Identifier: Apache-2.0
//! Random seed: the user's and the platform's random bytes are mixed into the kernel's pool, or kept in a file for a
//! program that does so.
//!
//! Keys as cloud-init's `cc_seed_random`; the kernel credits no entropy for it.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::compression::gunzip;
use crate::config::document::{Node, Value};
use crate::config::read::{Kind, Read, one_of};
use crate::config::types::OneOrMany;
use crate::finding::{Finding, Findings, Located};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Action, Command, Write};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "random_seed", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

/// The kernel's pool.
const POOL: &str = "/dev/urandom";
/// Far more than any pool takes in.
const LIMIT: u64 = 1 << 20;
/// How long a program that fetches a seed may take.
const PATIENCE: Duration = Duration::from_secs(120);

crate::keys! {
    struct Keys {
        /// Random bytes, and where they go.
        random_seed: Located<Seed>,
    }
}

crate::keys! {
    struct Seed {
        /// Where they go: the kernel's pool (the default), or a file.
        file: PathBuf,
        /// The bytes.
        data: Located<Bytes>,
        /// How they are written: `raw` (the default), `base64` or `gzip`.
        encoding: Encoding,
        /// A program that gives more; `RANDOM_SEED_FILE` names the file.
        command: Located<OneOrMany<String>>,
        /// Whether it is an error where there is no such program.
        command_required: bool,
    }
}

/// Bytes as text, or as `!!binary`.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Read for Bytes {
    fn kind() -> Kind {
        Kind::Scalar("a string")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.value() {
            Some(Value::Binary(bytes)) => Some(Self(bytes)),
            _ => String::read(node, findings).map(|text| Self(text.into_bytes())),
        }
    }
}

/// One of the words for it.
#[derive(Debug, Clone, Copy)]
struct Encoding(&'static str);

impl Read for Encoding {
    fn kind() -> Kind {
        Kind::Scalar("raw, base64, b64, gzip or gz")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        one_of(node, &["raw", "base64", "b64", "gzip", "gz"], findings).map(Self)
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let asked = Keys::take(input.config, &mut planner.findings).random_seed;
    let origin = asked.as_ref().map(|asked| asked.origin.clone());
    let asked = asked.map(|asked| asked.value).unwrap_or_default();
    let given = asked.data.as_ref().and_then(|data| decoded(data, asked.encoding, &mut planner.findings));
    let mut seed = given.unwrap_or_default();
    let platform = input.instance.random_seed.as_ref();
    seed.extend(platform.map(|platform| platform.value.as_slice()).unwrap_or_default());
    let file = asked.file.unwrap_or_else(|| POOL.into());
    if let (Some(origin), false) = (origin.or(platform.map(|platform| platform.origin.clone())), seed.is_empty()) {
        let step = planner.step("random_seed", &origin);
        if file.starts_with("/dev") {
            // Whatever device it is, the pool is meant, and the bytes are as good there.
            step.action(Action::Entropy(seed));
        } else {
            step.write(Write { append: true, ..Write::new(&file, seed).mode(0o600).secret() });
        }
    }
    if let Some(command) = asked.command {
        run(command, asked.command_required == Some(true), file, input, planner);
    }
}

/// The bytes that a text stands for.
fn decoded(data: &Located<Bytes>, encoding: Option<Encoding>, findings: &mut Findings) -> Option<Vec<u8>> {
    let Bytes(bytes) = &data.value;
    let base64 =
        || STANDARD.decode(bytes.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect::<Vec<_>>()).ok();
    let decoded = match encoding.map_or("raw", |encoding| encoding.0) {
        "base64" | "b64" => base64(),
        "gzip" | "gz" => gunzip(bytes, LIMIT).ok(),
        _ => Some(bytes.clone()),
    };
    let decoded = decoded.filter(|bytes| bytes.len() as u64 <= LIMIT);
    if decoded.is_none() {
        let bad = "this seed is not as its `encoding` says, or longer than 1 MiB; it is left out";
        findings.push(Finding::error(&data.origin, bad));
    }
    decoded
}

/// Runs the program once the network is there: what gives random bytes is somewhere else.
fn run(command: Located<OneOrMany<String>>, required: bool, file: PathBuf, input: &Input, planner: &mut Planner) {
    let OneOrMany(mut argv) = command.value;
    if let [line] = argv.as_slice()
        && line.contains(char::is_whitespace)
    {
        argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()];
    }
    let Some(program) = argv.first() else { return };
    if !input.guest.has_program(program) {
        let missing = format!("there is no program `{}` in this guest", program.escape_debug());
        return planner.finding(if required {
            Finding::error(&command.origin, missing).help("the image has to have it; no package is installed by then")
        } else {
            Finding::note(&command.origin, missing)
        });
    }
    let mut command_ = Command::script(argv);
    command_.timeout = Some(PATIENCE);
    command_.env.push(("RANDOM_SEED_FILE".to_owned(), file.to_string_lossy().into_owned()));
    planner.step("random_seed command", &command.origin).stage(Stage::Network).run(command_);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    fn planned(seed: &str) -> Outcome {
        Bench::new(&format!("random_seed: {seed}")).program("/usr/bin/pollinate").plan(plan)
    }

    fn pool(outcome: &Outcome) -> Vec<u8> {
        let [Action::Entropy(bytes)] = &outcome.step("random_seed").actions[..] else { panic!() };
        bytes.clone()
    }

    #[test]
    fn every_encoding_gives_the_bytes() {
        // printf random | gzip | base64
        let gzip = "!!binary H4sIAAAAAAAAAytKzEvJzwUA1do7FgYAAAA=";
        for seed in [
            "{data: random}",
            "{data: random, encoding: raw}",
            "{data: cmFuZG9t, encoding: b64}",
            "{data: \"cmFu\\n Zg==\", encoding: base64}",
            &format!("{{data: {gzip}, encoding: gz}}"),
            "{data: !!binary cmFuZG9t}",
        ] {
            assert!(pool(&planned(seed)).starts_with(b"ran"), "{seed}");
        }
    }

    #[test]
    fn a_seed_that_cannot_be_read_is_said_and_never_shown() {
        for seed in ["{data: hunter2!, encoding: base64}", "{data: hunter2, encoding: gzip}"] {
            let outcome = planned(seed);
            let said: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
            assert!(outcome.steps().is_empty() && said.len() == 1 && !said[0].contains("hunter2"), "{said:?}");
        }
    }

    #[test]
    fn a_file_is_appended_to_and_a_device_is_the_pool() {
        let outcome = planned("{data: random, file: /var/lib/seed}");
        assert_eq!(outcome.content("/var/lib/seed").as_deref(), Some("random"));
        assert_eq!(pool(&planned("{data: random, file: /dev/random}")), b"random");
    }

    #[test]
    fn a_program_is_told_the_file_and_one_that_is_missing_is_said() {
        let outcome = planned("{command: [pollinate, -q], file: /var/lib/seed}");
        let [Action::Run(command)] = &outcome.step("random_seed command").actions[..] else { panic!() };
        assert_eq!(command.argv, ["pollinate", "-q"]);
        assert_eq!(command.env.last().unwrap().1, "/var/lib/seed");
        for (required, severity) in [("false", "note"), ("true", "error")] {
            let outcome = planned(&format!("{{command: [nothing], command_required: {required}}}"));
            let said = outcome.findings.iter().next().unwrap().to_string();
            assert!(outcome.steps().is_empty() && said.contains(severity), "{said}");
        }
    }
}
