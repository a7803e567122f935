// SPDX-License-Identifier: Apache-2.0
//! Sources besides the distribution's own, each in a file of `sources.list.d`.

use std::path::{Component, Path, PathBuf};

use super::Source;
use super::archive::Archive;
use super::key::{self, Key};
use super::list::is_deb822;
use crate::config::types::Named;
use crate::finding::{Finding, Located};
use crate::modules::{Input, Planner};
use crate::plan::action::{Command, Edit, Write};
use crate::plan::step::Stage;

/// Steps for all of them; one that can't be had costs only itself.
pub fn plan(sources: Option<Named<Located<Source>>>, archive: &Archive, input: &Input, planner: &mut Planner) {
    for (id, source) in sources.into_iter().flat_map(|sources| sources.0) {
        one(source.filename.as_ref().unwrap_or(&id), &source, archive, input, planner);
    }
}

fn one(name: &Located<String>, source: &Located<Source>, archive: &Archive, input: &Input, planner: &mut Planner) {
    let uses_key_file =
        source.source.as_ref().is_some_and(|text| text.contains("$KEY_FILE") || text.contains("${KEY_FILE}"));
    let directory = if uses_key_file { key::NAMED } else { key::TRUSTED };
    let key = Key { name, key: &source.key, id: &source.keyid, server: &source.keyserver };
    let Ok(key) = key::step(&key, directory, input, planner) else { return };
    let Some(text) = &source.source else {
        if key.is_none() {
            planner.finding(Finding::error(&source.origin, format!("`{}` has neither a source nor a key", **name)));
        }
        return;
    };
    let content = archive.filled(text, key.as_deref(), planner);
    if is_for_the_tool(&content) {
        if !input.guest.has_tool("add-apt-repository") {
            let none = format!("this guest has no add-apt-repository for `{content}`; it is left out");
            return planner
                .finding(Finding::error(&text.origin, none).help("the package is software-properties-common"));
        }
        let command = Command::fetching(10, ["add-apt-repository", "--yes", "--no-update", &content]);
        planner.step(format!("apt source {}", **name), &text.origin).stage(Stage::Final).run(command);
        return;
    }
    let Some(path) = path(name, is_deb822(&content)) else {
        let bad = format!("`{}` is no name of a file; this source is left out", **name);
        return planner.finding(Finding::error(&name.origin, bad));
    };
    let content = content.trim_end().to_owned() + "\n";
    let step = planner.step(format!("apt source {}", **name), &text.origin);
    if source.append == Some(false) {
        step.write(Write::new(path, content));
    } else {
        // As often as it is asked for, and not once more for each new instance.
        step.edit(Edit::new(
            path,
            move |old| if old.contains(&content) { old.to_owned() } else { format!("{old}{content}") },
        ));
    }
}

/// `ppa:owner/name`, `cloud-archive:epoxy`: the peer's pattern `^[\w-]+:\w`.
fn is_for_the_tool(source: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    source.split_once(':').is_some_and(|(kind, rest)| {
        !kind.is_empty() && kind.chars().all(|c| word(c) || c == '-') && rest.starts_with(word)
    }) && !is_deb822(source)
}

/// Where it is written, with the ending that apt reads it by.
fn path(name: &str, newer: bool) -> Option<PathBuf> {
    let ending = if newer { ".sources" } else { ".list" };
    let name = if newer { name.strip_suffix(".list").unwrap_or(name) } else { name };
    let name = if name.ends_with(ending) { name.to_owned() } else { format!("{name}{ending}") };
    let path = Path::new("/etc/apt/sources.list.d").join(&name);
    let plain = !name.starts_with('.') && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    (plain && path.components().all(|part| part != Component::ParentDir)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{Bench, Outcome};

    const KEY: &str = "\"-----BEGIN PGP PUBLIC KEY BLOCK-----\\n\\nmQ\\n-----END PGP PUBLIC KEY BLOCK-----\"";

    fn bench(sources: &str) -> Bench {
        let bench = Bench::new(&format!("apt: {{sources: {{{sources}}}}}"));
        bench.file("/etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
    }

    fn plans(sources: &str) -> Outcome {
        bench(sources).program("/usr/bin/gpg").plan(super::super::plan)
    }

    #[test]
    fn a_source_and_its_key_are_files() {
        let outcome = plans(&format!(
            "docker.list: {{source: 'deb [signed-by=$KEY_FILE] http://d $RELEASE stable', key: {KEY}}}"
        ));
        assert_eq!(
            outcome.content("/etc/apt/sources.list.d/docker.list").as_deref(),
            Some("deb [signed-by=/etc/apt/keyrings/docker.asc] http://d bookworm stable\n")
        );
        assert!(
            outcome.content("/etc/apt/keyrings/docker.asc").unwrap().ends_with("-----END PGP PUBLIC KEY BLOCK-----\n")
        );
        let outcome = plans(&format!("k: {{key: {KEY}}}, n: {{source: \"Types: deb\\nURIs: http://x\"}}"));
        assert!(outcome.content("/etc/apt/trusted.gpg.d/k.asc").is_some());
        assert!(outcome.content("/etc/apt/sources.list.d/n.sources").is_some());
    }

    #[test]
    fn sources_of_one_file_are_all_in_it_and_once() {
        let two = "a: {filename: x, source: deb http://a b c}, b: {filename: x, source: deb http://b b c}";
        let path = "/etc/apt/sources.list.d/x.list";
        assert_eq!(plans(two).content(path).as_deref(), Some("deb http://a b c\ndeb http://b b c\n"));
        let there = bench(two).file(path, "deb http://b b c\n").plan(super::super::plan);
        assert_eq!(there.content(path).as_deref(), Some("deb http://b b c\ndeb http://a b c\n"));
        let replaced = bench("x: {append: no, source: deb http://a b c}").file(path, "old\n").plan(super::super::plan);
        assert_eq!(replaced.content(path).as_deref(), Some("deb http://a b c\n"));
    }

    #[test]
    fn a_key_by_its_id_is_fetched_when_the_network_is_up() {
        let outcome = plans(
            "a: {source: 'deb [signed-by=$KEY_FILE] http://a b c', keyid: 'B59D 5F15 97A5 04B7', keyserver: k.org}",
        );
        let key = outcome.step("apt key a");
        assert!(key.stage == Stage::Final && key.is_for_the_network() && !key.at_most_once());
        assert!(outcome.programs()[0].ends_with("/apt-key-a k.org B59D5F1597A504B7 /etc/apt/keyrings/a.asc"));
    }

    #[test]
    fn an_archive_of_somebody_is_added_by_the_tool() {
        let outcome = bench("p: {source: 'ppa:a/b'}").program("/usr/bin/add-apt-repository").plan(super::super::plan);
        assert_eq!(outcome.programs(), ["add-apt-repository --yes --no-update ppa:a/b"]);
        assert_eq!(plans("p: {source: 'ppa:a/b'}").said().len(), 1);
    }

    #[test]
    fn what_can_not_be_had_costs_only_itself() {
        for bad in [
            "b: {source: deb x y z, key: nonsense}",
            "b: {source: deb x y z, keyid: xyz}",
            "b: {source: deb x y z, keyid: 12345678, keyserver: '-o'}",
            "../b: {source: deb x y z}",
            "b: {}",
            "b: {sauce: x}",
        ] {
            let outcome = plans(&format!("{bad}, a: {{source: deb x y z}}"));
            assert_eq!(outcome.steps(), ["apt source a"], "{bad}");
            assert!(!outcome.said().is_empty(), "{bad}");
        }
        let outcome = bench("a: {source: deb x y z, keyid: 12345678}").plan(super::super::plan);
        assert!(outcome.steps.is_empty() && outcome.said()[0].contains("no gpg"));
    }
}
