// SPDX-License-Identifier: Apache-2.0
//! The language of messages, times and numbers.
//!
//! Keys as cloud-init's `cc_locale`. Where nothing is asked for, nothing is done; the peer sets its own default then.
//! glibc's locales are made from their sources in the final stage: it takes seconds, and until then programs speak `C`.

use std::path::PathBuf;

use crate::config::types::OrFalse;
use crate::finding::{Finding, Located};
use crate::guest::{Family, Guest};
use crate::modules::assignments::assign;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Command, Edit, Write};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "locale", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// The system's locale, e.g. `de_DE.UTF-8`; `false` leaves it as it is, as no key does.
        locale: Located<OrFalse<String>>,
        /// The file that names it, in place of the distribution's own.
        locale_configfile: PathBuf,
    }
}

/// What glibc's source of locales says can be made, one `NAME CHARSET` a line.
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";
/// What `locale-gen` is to make, in the same form.
const WANTED: &str = "/etc/locale.gen";

fn plan(input: &Input, planner: &mut Planner) {
    let keys = Keys::take(input.config, &mut planner.findings);
    let Some(Located { value: OrFalse(Some(asked)), origin }) = keys.locale else { return };
    if ["false", "no", "off", "0"].contains(&asked.trim().to_ascii_lowercase().as_str()) {
        return;
    }
    let asked = Located::new(asked, origin);
    let Some(name) = canonical(&asked) else {
        let wrong = format!("`{}` is no locale; the old one stays", asked.escape_debug());
        return planner
            .finding(Finding::error(&asked.origin, wrong).help("language, country and charset: de_DE.UTF-8"));
    };
    let family = input.guest.family();
    let file = keys.locale_configfile.unwrap_or_else(|| file(family, input.guest).into());
    if !input.guest.is_systemd() && (family == Family::Alpine || family == Family::Other) {
        let content = format!(
            "# Written by firstlight (locale).\nexport CHARSET=UTF-8\nexport LANG={name}\nexport LC_COLLATE=C\n"
        );
        planner.step("locale", &asked.origin).write(Write::new(file, content));
        return;
    }
    let entry = match to_make(&name, &asked, input, planner) {
        Ok(entry) => entry,
        Err(finding) => return planner.finding(finding),
    };
    let lang = name.clone();
    let step = planner.step("locale", &asked.origin).edit(Edit::new(file, move |old| assign(old, "LANG", &lang)));
    if let Some(entry) = entry {
        step.edit(Edit::new(WANTED, move |old| with_entry(old, &entry)));
        // A package that is still to come makes what is wanted when it is installed.
        if input.guest.has_tool("locale-gen") {
            let mut command = Command::tool(["locale-gen"]);
            command.waits_for_boot = true;
            planner.step("locale-gen", &asked.origin).stage(Stage::Final).run(command);
        }
    }
}

/// The name as glibc lists it: `de_DE.utf8` is `de_DE.UTF-8`. `None` where it can be none.
fn canonical(asked: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.@-".contains(c);
    if !asked.starts_with(|c: char| c.is_ascii_alphabetic()) || !asked.chars().all(is_plain) || asked.len() > 64 {
        return None;
    }
    let (name, modifier) = asked.split_once('@').map_or((asked, ""), |(name, modifier)| (name, modifier));
    let (name, charset) = name.split_once('.').unwrap_or((name, ""));
    let charset =
        if charset.eq_ignore_ascii_case("utf8") || charset.eq_ignore_ascii_case("utf-8") { "UTF-8" } else { charset };
    let mut canonical = name.to_owned();
    for (mark, part) in [(".", charset), ("@", modifier)] {
        if !part.is_empty() {
            canonical.extend([mark, part]);
        }
    }
    Some(canonical)
}

/// The file that names the locale.
fn file(family: Family, guest: &Guest) -> &'static str {
    match family {
        Family::Debian => "/etc/default/locale",
        Family::Alpine | Family::Other if !guest.is_systemd() => "/etc/profile.d/locale.sh",
        _ => "/etc/locale.conf",
    }
}

/// The line of [`WANTED`] that makes the locale; `None` where there is nothing to make.
fn to_make(
    name: &str,
    asked: &Located<String>,
    input: &Input,
    planner: &mut Planner,
) -> Result<Option<String>, Finding> {
    if ["C", "POSIX", "C.UTF-8"].contains(&name) {
        return Ok(None);
    }
    let guest = input.guest;
    if !matches!(guest.family(), Family::Debian | Family::Arch) {
        warn_of_missing(name, asked, guest, planner);
        return Ok(None);
    }
    let supported = guest.read_text(SUPPORTED).unwrap_or_default();
    let names = || supported.lines().filter_map(|line| line.split_whitespace().next());
    if let Some(line) = supported.lines().find(|line| line.split_whitespace().next() == Some(name)) {
        return Ok(Some(line.trim().to_owned()));
    }
    if !supported.is_empty() {
        let unknown = Finding::error(&asked.origin, format!("no locale `{name}` in this guest; the old one stays"));
        return Err(unknown.help(format!("{SUPPORTED} lists what can be made")).did_you_mean(name, names()));
    }
    if !guest.has_tool("locale-gen") && !input.installs("locales") {
        let missing = format!("this guest has no `locale-gen`: programs speak `C` until `{name}` is made");
        planner.finding(Finding::warning(&asked.origin, missing).help("add `packages: [locales]`"));
    }
    let charset = name.split_once('.').map_or("UTF-8", |(_, rest)| rest.split('@').next().unwrap_or(rest));
    Ok(Some(format!("{name} {charset}")))
}

/// Distributions that ship locales ready-made have each in a directory of its own, or all in one archive.
fn warn_of_missing(name: &str, asked: &Located<String>, guest: &Guest, planner: &mut Planner) {
    let directory = "/usr/lib/locale";
    let made = format!("{directory}/{}", name.replace(".UTF-8", ".utf8"));
    if !guest.exists(directory) || guest.exists(&made) || guest.exists(&format!("{directory}/locale-archive")) {
        return;
    }
    let missing = format!("this guest does not have the locale `{name}`; programs speak `C` until it is installed");
    let language = name.split(['_', '.', '@']).next().unwrap_or(name);
    let package = match guest.family() {
        Family::RedHat => format!("glibc-langpack-{language}"),
        _ => "glibc-locale".to_owned(),
    };
    planner.finding(Finding::warning(&asked.origin, missing).help(format!("add `packages: [{package}]`")));
}

/// With the entry: one that is commented out is taken in, else it goes to the end.
fn with_entry(old: &str, entry: &str) -> String {
    let said = |line: &str| line.trim_start_matches(['#', ' ']).trim_end() == entry;
    if old.lines().any(|line| line.trim() == entry) {
        return old.to_owned();
    }
    let mut new: String =
        old.lines().map(|line| if said(line) { format!("{entry}\n") } else { format!("{line}\n") }).collect();
    if !old.lines().any(said) {
        new.push_str(entry);
        new.push('\n');
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    const SOURCES: &str = "de_DE.UTF-8 UTF-8\nde_DE ISO-8859-1\nen_US.UTF-8 UTF-8\nsr_RS@latin UTF-8\n";

    fn debian(config: &str) -> Outcome {
        let bench = Bench::new(config).file("/etc/os-release", "ID=debian\n").program("/usr/sbin/locale-gen");
        let bench = bench.file(SUPPORTED, SOURCES).file(WANTED, "# de_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n");
        bench.file("/etc/default/locale", "LANG=C.UTF-8\nLC_TIME=C\n").plan(plan)
    }

    #[test]
    fn debian_is_told_and_makes_it() {
        let outcome = debian("locale: de_DE.utf8");
        assert_eq!(outcome.content("/etc/default/locale").as_deref(), Some("LANG=de_DE.UTF-8\nLC_TIME=C\n"));
        assert_eq!(outcome.content(WANTED).as_deref(), Some("de_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n"));
        assert_eq!(outcome.steps(), ["locale", "locale-gen"]);
        assert_eq!(debian("locale: sr_RS@latin").content(WANTED).unwrap().lines().last(), Some("sr_RS@latin UTF-8"));
        assert_eq!(debian("locale: C.UTF-8").steps(), ["locale"], "it is built in");
        let elsewhere = debian("locale: en_US.UTF-8\nlocale_configfile: /etc/other");
        assert_eq!(elsewhere.content("/etc/other").as_deref(), Some("LANG=en_US.UTF-8\n"));
        assert_eq!(elsewhere.content(WANTED), None, "it is wanted already");
    }

    #[test]
    fn what_is_no_locale_is_said_and_nothing_is_done() {
        for bad in ["'a b'", "xx_YY.UTF-8", "../x", "'de_DE\\n'", "''", "yes", "de_DE.UTF-9"] {
            let outcome = debian(&format!("locale: {bad}"));
            assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (0, 1), "{bad}");
        }
        for none in ["", "locale: false", "locale: 'false'", "locale:"] {
            let outcome = debian(none);
            assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (0, 0), "{none}");
        }
    }

    #[test]
    fn other_families_have_their_own_file() {
        let rocky = |file: &str| {
            let bench =
                Bench::new("locale: de_DE.UTF-8").file("/etc/os-release", "ID=rocky\nID_LIKE=\"rhel fedora\"\n");
            bench.file(file, "").plan(plan)
        };
        let outcome = rocky("/usr/lib/locale/de_DE.utf8/LC_TIME");
        assert_eq!(outcome.content("/etc/locale.conf").as_deref(), Some("LANG=de_DE.UTF-8\n"));
        assert!(outcome.findings.is_empty());
        let missing =
            rocky("/usr/lib/locale/C.utf8/LC_TIME").findings.iter().map(ToString::to_string).collect::<String>();
        assert!(missing.contains("glibc-langpack-de"), "{missing}");
        let alpine = Bench::new("locale: de_DE.UTF-8").file("/etc/os-release", "ID=alpine\n").plan(plan);
        assert!(alpine.content("/etc/profile.d/locale.sh").unwrap().contains("export LANG=de_DE.UTF-8\n"));
    }
}
