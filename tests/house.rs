// SPDX-License-Identifier: Apache-2.0
//! The rules of the house that the compiler does not know: imports go down the floors of `src/lib.rs`, no two rooms
//! need each other, and every file says first what it is about.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test's panic is its verdict

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each source file of the library: the room that it is in, its place, and its text as far as its tests.
fn files() -> Vec<(String, PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut directories = vec![source.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let below = path.strip_prefix(&source).unwrap().to_owned();
            let room = below.components().next().unwrap().as_os_str().to_string_lossy();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            found.push((room.trim_end_matches(".rs").to_owned(), below, code));
        }
    }
    found
}

/// The floor of each room, the top one being 0: the paragraphs of `src/lib.rs`. What is for tests alone is on none.
fn floors() -> BTreeMap<String, usize> {
    let text = include_str!("../src/lib.rs");
    let room = |line: &str| line.strip_prefix("pub mod ").map(|name| name.replace(';', ""));
    let floors = text.split("\n\n").enumerate();
    floors.flat_map(|(floor, rooms)| rooms.lines().filter_map(room).map(move |name| (name, floor))).collect()
}

/// Which room needs which, and where.
fn needs() -> BTreeMap<(String, String), Vec<String>> {
    let floors = floors();
    let mut needs: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (room, path, code) in files() {
        for (number, line) in (1..).zip(code.lines()) {
            for other in line.split("crate::").skip(1) {
                let other: String = other.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if other != room && floors.contains_key(&other) && floors.contains_key(&room) {
                    needs.entry((room.clone(), other)).or_default().push(format!("{}:{number}", path.display()));
                }
            }
        }
    }
    needs
}

#[test]
fn imports_go_down_the_floors() {
    let (floors, needs) = (floors(), needs());
    assert!(needs.len() > 50 && floors["cli"] < floors["error"], "the rooms were not found");
    let up: Vec<_> = needs
        .iter()
        .filter(|((room, other), _)| floors[other] < floors[room])
        .map(|((room, other), places)| format!("{room} needs {other} above it: {places:?}"))
        .collect();
    assert!(up.is_empty(), "{up:#?}");
}

#[test]
fn no_two_rooms_need_each_other() {
    let needs = needs();
    // Tests in files of their own may look at what stands above.
    let own = |places: &Vec<String>| places.iter().any(|place| !place.contains("tests.rs"));
    let pairs: BTreeSet<_> = needs.iter().filter(|(_, places)| own(places)).map(|(pair, _)| pair.clone()).collect();
    let circles: Vec<_> = pairs
        .iter()
        .filter(|(room, other)| room < other && pairs.contains(&(other.clone(), room.clone())))
        .map(|(room, other)| (&needs[&(room.clone(), other.clone())], &needs[&(other.clone(), room.clone())]))
        .collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

/// The host kit's rooms with their floors, the paragraphs of `src/host/mod.rs`.
fn host_floors() -> BTreeMap<String, usize> {
    let text = include_str!("../src/host/mod.rs");
    let room = |line: &str| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned);
    let floors = text.split("\n\n").enumerate();
    floors.flat_map(|(floor, rooms)| rooms.lines().filter_map(room).map(move |name| (name, floor))).collect()
}

/// Which room of the host kit needs which, and where. What is reached by `super::` stays in its room: `super` never leads
/// out of a room but in `mod.rs` and in files that are rooms, where `crate::host` is written.
fn host_needs() -> BTreeMap<(String, String), Vec<String>> {
    let floors = host_floors();
    let mut needs: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (_, path, code) in files() {
        let Ok(below) = path.strip_prefix("host") else { continue };
        let room = below.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        if !floors.contains_key(&room) {
            continue;
        }
        // Imports in braces, of one line or of several, are one.
        let code = code.replace("crate::host::{", "\u{0}");
        for (number, line) in (1..).zip(code.lines()) {
            let single = line.split("crate::host::").skip(1);
            let several = line.split('\u{0}').skip(1).flat_map(|list| list.split(", "));
            for other in single.chain(several) {
                let other: String = other.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if other != room && floors.contains_key(&other) {
                    needs.entry((room.clone(), other)).or_default().push(format!("{}:{number}", path.display()));
                }
            }
        }
    }
    needs
}

#[test]
fn the_host_kit_has_floors_too_and_no_circles() {
    let (floors, needs) = (host_floors(), host_needs());
    assert!(needs.len() > 20 && floors["bake"] < floors["scratch"], "the rooms were not found");
    for ((room, other), places) in &needs {
        assert!(floors[room] <= floors[other], "{room} needs {other} above it: {places:?}");
        assert!(!needs.contains_key(&(other.clone(), room.clone())), "{room} and {other} need each other: {places:?}");
    }
    // One command must not lean on another: what two need is a room beneath both.
    let commands = ["seed", "serve", "bake", "boot"];
    for ((room, other), places) in &needs {
        let sideways = commands.contains(&room.as_str()) && commands.contains(&other.as_str());
        assert!(!sideways, "the command {room} needs the command {other}: {places:?}");
    }
}

#[test]
fn every_file_says_first_what_it_is_about() {
    for (_, path, code) in files() {
        let mut lines = code.lines();
        assert_eq!(lines.next(), Some("// SPDX-License-Identifier: Apache-2.0"), "{}", path.display());
        assert!(lines.next().is_some_and(|line| line.starts_with("//! ")), "{} says nothing", path.display());
    }
}
