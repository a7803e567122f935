// SPDX-License-Identifier: Apache-2.0
//! The distribution's own archive: which mirror it comes from, in the lists that the guest has.

use super::key::{self, Key};
use super::list::{self, Change, is_deb822};
use super::{Apt, Mirror};
use crate::finding::{Finding, Located, Origin};
use crate::guest::Guest;
use crate::modules::{Input, Planner};
use crate::plan::action::{Edit, Write};

const LIST: &str = "/etc/apt/sources.list";
/// In the newer form; a guest has one of them, or the list.
const LISTS_822: [&str; 2] = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list.d/ubuntu.sources"];
/// What Debian calls the architectures that programs are built for.
const ARCHITECTURES: [(&str, &str, &str); 6] = [
    ("amd64", "x86_64", "x86_64-linux-gnu"),
    ("arm64", "aarch64", "aarch64-linux-gnu"),
    ("armhf", "arm", "arm-linux-gnueabihf"),
    ("i386", "x86", "i386-linux-gnu"),
    ("ppc64el", "powerpc64", "powerpc64le-linux-gnu"),
    ("riscv64", "riscv64", "riscv64-linux-gnu"),
];

/// What `$MIRROR` and its like stand for.
#[derive(Debug, Default)]
pub struct Archive {
    release: String,
    primary: Option<String>,
    security: Option<String>,
}

impl Archive {
    /// `text` with the values of its variables; `key` is that of `$KEY_FILE`. A variable without a value stays, and is said.
    pub fn filled(&self, text: &Located<String>, key: Option<&str>, planner: &mut Planner) -> String {
        let release = Some(self.release.as_str()).filter(|release| !release.is_empty());
        let values = [
            ("MIRROR", self.primary.as_deref()),
            ("PRIMARY", self.primary.as_deref()),
            ("SECURITY", self.security.as_deref()),
            ("RELEASE", release),
            ("CODENAME", release),
            ("KEY_FILE", key),
        ];
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            filled += before;
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            let (name, next) = braced.or_else(|| after.split_at_checked(end)).unwrap_or_default();
            match values.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, Some(value))) => {
                    filled += value;
                    rest = next;
                }
                unknown => {
                    let why = if unknown.is_some() { "this guest's lists do not tell" } else { "there is no variable" };
                    planner.finding(Finding::error(&text.origin, format!("{why} `${name}`; it stays as it is")));
                    filled.push('$');
                    rest = after;
                }
            }
        }
        filled + rest
    }
}

/// Steps for the mirrors, the list and the suites that are asked for; what they come to, for other sources.
pub fn plan(apt: &Located<Apt>, input: &Input, planner: &mut Planner) -> Archive {
    let guest = input.guest;
    let lists = [LIST].into_iter().chain(LISTS_822).filter_map(|path| Some((path, guest.read_text(path)?)));
    let lists: Vec<(&str, String)> = lists.collect();
    let release = guest.codename.clone();
    let entries: Vec<_> = lists.iter().flat_map(|(_, text)| list::entries(text, &release)).collect();
    let now =
        |security: bool| entries.iter().find(|entry| entry.security == security).map(|entry| entry.uri.to_owned());
    let primary = chosen("primary", apt.primary.as_deref(), input, planner);
    let mut security = chosen("security", apt.security.as_deref(), input, planner);
    if let (Some(primary), None) = (&primary, &security) {
        if guest.is_like("ubuntu") {
            security = Some(primary.clone());
        } else if now(true).is_some() {
            let stays = "security updates stay with their own server: a mirror of Debian does not have them";
            planner.finding(Finding::note(&primary.origin, stays).help("`security` gives them a mirror too"));
        }
    }
    let (asked, mut change) = (primary.as_ref().or(security.as_ref()), Change { release, ..Change::default() });
    change.primary = primary.as_ref().map(|uri| uri.value.clone());
    change.security = security.as_ref().map(|uri| uri.value.clone());
    let archive = Archive {
        release: change.release.clone(),
        primary: change.primary.clone().or_else(|| now(false)),
        security: change.security.clone().or_else(|| now(true)).or(change.primary.clone()).or_else(|| now(false)),
    };
    if apt.preserve_sources_list == Some(true) {
        return archive;
    }
    for suite in apt.disable_suites.iter().flatten() {
        let whole = match suite.as_str() {
            "updates" | "backports" | "security" | "proposed" => suite.clone().map(|suite| format!("$RELEASE-{suite}")),
            "release" => suite.clone().map(|_| "$RELEASE".to_owned()),
            _ => suite.clone(),
        };
        change.disabled.push(archive.filled(&whole, None, planner));
    }
    let suites = apt.disable_suites.as_ref().and_then(|suites| suites.first()).map(|suite| &suite.origin);
    if let Some(text) = &apt.sources_list {
        let text = text.clone().map(|text| text + "\n");
        let content = change.apply(&archive.filled(&text, None, planner)).trim_end().to_owned() + "\n";
        replace(&content, &text.origin, &lists, guest, planner);
    } else if entries.is_empty() && asked.is_some() {
        write_new(&archive, &change, asked.map_or(&apt.origin, |uri| &uri.origin), guest, planner);
    } else if let Some(origin) = asked.map(|uri| &uri.origin).or(suites) {
        let step = planner.step("apt mirrors", origin);
        for (path, _) in lists {
            let change = change.clone();
            step.edit(Edit::new(path, move |old| change.apply(old)).only_existing());
        }
    }
    archive
}

/// The list that the user gives, and none of those that the image has.
fn replace(content: &str, origin: &Origin, lists: &[(&str, String)], guest: &Guest, planner: &mut Planner) {
    let newer = if guest.is_like("ubuntu") { LISTS_822[1] } else { LISTS_822[0] };
    let path = if is_deb822(content) { newer } else { LIST };
    let step = planner.step("apt sources_list", origin).write(Write::new(path, content));
    for (other, text) in lists.iter().filter(|(other, _)| *other != path) {
        // One that holds nothing is somebody's comment.
        if text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            step.remove(*other);
        }
    }
}

/// A list for a guest that has none.
fn write_new(archive: &Archive, change: &Change, origin: &Origin, guest: &Guest, planner: &mut Planner) {
    let (Some(primary), Some(security), false) = (&archive.primary, &archive.security, archive.release.is_empty())
    else {
        let unknown = "this guest does not tell its release; no list is written";
        return planner.finding(Finding::error(origin, unknown).help("VERSION_CODENAME in /etc/os-release"));
    };
    let components = if guest.is_like("ubuntu") { "main restricted universe multiverse" } else { "main" };
    let release = &archive.release;
    let mut lines = format!("deb {primary} {release} {components}\ndeb {primary} {release}-updates {components}\n");
    if change.security.is_some() {
        lines += &format!("deb {security} {release}-security {components}\n");
    }
    planner.step("apt mirrors", origin).write(Write::new(LIST, change.apply(&lines)));
}

/// The address for this guest's architecture, and a step for its key.
fn chosen(
    name: &str,
    mirrors: Option<&[Located<Mirror>]>,
    input: &Input,
    planner: &mut Planner,
) -> Option<Located<String>> {
    let own = architecture(input.guest);
    let of = |arch: &str| {
        mirrors
            .iter()
            .copied()
            .flatten()
            .find(|mirror| mirror.arches.as_ref().is_some_and(|arches| arches.0.iter().any(|it| it == arch)))
    };
    let mirror = of(own).or_else(|| of("default"));
    for lost in mirrors.iter().copied().flatten().filter(|mirror| mirror.arches.is_none()) {
        let none = "a mirror is for its `arches`; this one is left out";
        planner.finding(Finding::error(&lost.origin, none).help("arches: [default]"));
    }
    let mirror = mirror?;
    if let Some(dns) = mirror.search_dns.as_ref().filter(|dns| dns.value && mirror.uri.is_none()) {
        let unbuilt = "mirrors are not looked for by their names; `search_dns` is left out";
        planner.finding(Finding::error(&dns.origin, unbuilt).help("give the mirror's `uri`"));
    }
    let uri = mirror.uri.clone().or_else(|| {
        let search = mirror.search.as_ref()?;
        let first = Located::new(search.first()?.clone(), search.origin.clone());
        if search.len() > 1 {
            let note = format!("`{}` is taken, without asking which of these mirrors is there", first.value);
            planner.finding(Finding::note(&search.origin, note));
        }
        Some(first)
    })?;
    if !uri.contains(':') || uri.contains(|c: char| c.is_whitespace() || c.is_control()) {
        planner.finding(Finding::error(&uri.origin, format!("`{}` is no address of a mirror; it is left out", *uri)));
        return None;
    }
    let key = Key { name, key: &mirror.key, id: &mirror.keyid, server: &mirror.keyserver };
    key::step(&key, key::TRUSTED, input, planner).ok()?;
    Some(uri)
}

/// What Debian calls the guest's architecture: by its libraries' directory, else that of this program.
fn architecture(guest: &Guest) -> &'static str {
    let by = |fits: &dyn Fn(&(&str, &str, &str)) -> bool| ARCHITECTURES.iter().find(|it| fits(it)).map(|it| it.0);
    let there = by(&|(_, _, directory)| guest.exists(&format!("/usr/lib/{directory}")));
    there.or_else(|| by(&|(_, arch, _)| *arch == std::env::consts::ARCH)).unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    const DEBIAN: &str = "ID=debian\nVERSION_CODENAME=bookworm\n";
    const LINES: &str = "deb http://a/debian bookworm main\ndeb http://s/debian-security bookworm-security main\n";
    const PARAGRAPH: &str = "Types: deb\nURIs: http://a/ubuntu\nSuites: noble noble-security\nComponents: main\n";

    fn debian(config: &str) -> Outcome {
        let bench = Bench::new(&format!("apt: {config}")).file("/etc/os-release", DEBIAN).file(LIST, LINES);
        bench.file("/usr/lib/aarch64-linux-gnu/libc.so.6", "").plan(super::super::plan)
    }

    #[test]
    fn the_mirror_of_the_architecture_is_taken_and_security_stays_on_debian() {
        let outcome = debian(
            "{primary: [{arches: [amd64], uri: 'http://x/'}, {arches: [default], uri: 'http://d/'}, {arches: [arm64], uri: 'http://m/'}]}",
        );
        assert_eq!(outcome.content(LIST).unwrap(), LINES.replace("http://a/debian", "http://m/"));
        assert!(outcome.said()[0].contains("note: security updates stay"));
        let both = "{primary: [{arches: [default], search: [http://m, http://n]}], security: [{arches: default, uri: 'http://s'}]}";
        let outcome = debian(both);
        let expected = "deb http://m bookworm main\ndeb http://s bookworm-security main\n";
        assert_eq!(outcome.content(LIST).as_deref(), Some(expected));
        assert!(outcome.said()[0].contains("note: `http://m` is taken"));
    }

    #[test]
    fn ubuntu_has_its_security_updates_on_each_mirror() {
        let bench = Bench::new("apt: {primary: [{arches: [default], uri: 'http://m/'}], disable_suites: [security]}");
        let bench = bench.file("/etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\n").file(LISTS_822[1], PARAGRAPH);
        let outcome = bench.plan(super::super::plan);
        let expected = "Types: deb\nURIs: http://m/\nSuites: noble\nComponents: main\n";
        assert_eq!((outcome.content(LISTS_822[1]).as_deref(), outcome.said().len()), (Some(expected), 0));
    }

    #[test]
    fn a_list_of_one_s_own_takes_the_place_of_the_image_s() {
        let list = "{sources_list: \"deb $MIRROR ${RELEASE} main\\ndeb $security $RELEASE-security main\\n\", disable_suites: [security]}";
        let outcome = debian(list);
        let expected =
            "deb http://a/debian bookworm main\n# switched off: deb http://s/debian-security bookworm-security main\n";
        assert_eq!(outcome.content(LIST).as_deref(), Some(expected));
        let outcome =
            debian("{sources_list: \"Types: deb\\nURIs: $PRIMARY\\nSuites: $RELEASE\\nComponents: main\\n\"}");
        assert!(outcome.content(LISTS_822[0]).unwrap().contains("URIs: http://a/debian\n"));
        assert_eq!(outcome.steps[0].actions.len(), 2, "the other list goes");
        assert!(debian("{sources_list: 'deb $HOME x main'}").said()[0].contains("no variable `$HOME`"));
    }

    #[test]
    fn a_guest_without_lists_gets_one_and_one_that_is_preserved_keeps_its_own() {
        let config = "apt: {primary: [{arches: [default], uri: 'http://m/'}]}";
        let outcome = Bench::new(config).file("/etc/os-release", DEBIAN).plan(super::super::plan);
        let expected = "deb http://m/ bookworm main\ndeb http://m/ bookworm-updates main\n";
        assert_eq!(outcome.content(LIST).as_deref(), Some(expected));
        let kept = "{preserve_sources_list: true, primary: [{arches: [default], uri: 'http://m/'}], sources: {a: {source: 'deb $MIRROR x main'}}}";
        let outcome = debian(kept);
        assert_eq!(outcome.content(LIST), None);
        assert_eq!(outcome.content("/etc/apt/sources.list.d/a.list").as_deref(), Some("deb http://m/ x main\n"));
    }

    #[test]
    fn what_is_no_mirror_is_said() {
        for config in ["{uri: 'http://m'}", "{arches: [default], uri: 'a b'}", "{arches: [default], search_dns: true}"]
        {
            let outcome = debian(&format!("{{primary: [{config}]}}"));
            assert_eq!((outcome.steps.len(), outcome.said().len()), (0, 1), "{config}: {:?}", outcome.said());
        }
    }
}
