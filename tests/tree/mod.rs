// SPDX-License-Identifier: Apache-2.0
//! Trees of files that tests change and compare.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands at a path.
#[derive(PartialEq, Clone, Debug)]
pub enum Entry {
    File { mode: u32, content: Vec<u8> },
    Directory { mode: u32 },
    Link(PathBuf),
}

/// Everything beneath `root`, by its path there.
pub fn snapshot(root: &Path) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let meta = fs::symlink_metadata(&path).expect("its metadata");
            let mode = meta.permissions().mode() & 0o7777;
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            let entry = if meta.is_symlink() {
                Entry::Link(fs::read_link(&path).expect("a link"))
            } else if meta.is_dir() {
                todo.push(path);
                Entry::Directory { mode }
            } else {
                Entry::File { mode, content: fs::read(&path).expect("its content") }
            };
            entries.insert(name, entry);
        }
    }
    entries
}

/// Makes `root` what the root of that fresh `distribution` is, as far as the agent looks at it: one of
/// tests/fixtures/roots.
pub fn fresh(distribution: &str, root: &Path) {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roots");
    copy(&roots.join(distribution), root, "-a");
    modes(&roots.join(distribution).with_extension("modes"), root);
}

/// What is in `from`, into `to`; `how` is cp's option.
pub fn copy(from: &Path, to: &Path, how: &str) {
    fs::create_dir_all(to).expect("a directory");
    let copied = Command::new("cp").args([how, "--no-preserve=ownership"]).arg(from.join(".")).arg(to).status();
    assert!(copied.expect("cp").success(), "cannot copy {}", from.display());
}

/// Modes that git does not keep.
fn modes(list: &Path, root: &Path) {
    for line in fs::read_to_string(list).expect("the modes").lines() {
        let (mode, name) = line.split_once(' ').expect("MODE NAME");
        let mode = u32::from_str_radix(mode, 8).expect("an octal mode");
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).expect("to set a mode");
    }
}
