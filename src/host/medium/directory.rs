// SPDX-License-Identifier: Apache-2.0
//! A directory: written beside, then put in the place of one that is empty or holds a seed, and of nothing else.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::output::{Beside, directory_of, sync_directory_of};
use super::tree::Tree;
use crate::error::{At as _, Error, Result};

/// What stands at the top of a seed, of NoCloud or on a config drive. What has a name besides these is no seed.
const SEED: [&str; 6] = ["meta-data", "user-data", "vendor-data", "network-config", "openstack", "ec2"];

/// Writes the files to the directory `output`, for its owner alone.
pub fn write(tree: &Tree, output: &Path) -> Result<()> {
    if output == Path::new("-") {
        return Err(Error::malformed("a directory can't be written to standard output").help("take the form tar"));
    }
    let old = replaceable(output)?;
    let beside = Beside::new(output)?;
    let new = beside.path().join("new");
    let mut directories = DirBuilder::new();
    directories.recursive(true).mode(0o700);
    directories.create(&new).at("write", output)?;
    for (path, content) in tree.files() {
        // It is told where it will be.
        let (path, at) = (new.join(path), output.join(path));
        directories.create(directory_of(&path)).at("write", &at)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).at("write", &at)?;
        file.write_all(content).and_then(|()| file.sync_all()).at("write", &at)?;
    }
    let aside = beside.path().join("old");
    if old {
        fs::rename(output, &aside).at("move away", output)?;
    }
    if let Err(error) = fs::rename(&new, output).at("rename to", output) {
        if old {
            // Where even that fails, it is said what stands in the way of the first.
            let _ = fs::rename(&aside, output);
        }
        return Err(error);
    }
    sync_directory_of(output)
}

/// Whether a directory is there, which may be replaced.
fn replaceable(output: &Path) -> Result<bool> {
    let Ok(facts) = fs::symlink_metadata(output) else { return Ok(false) };
    let refuse = |why: &str| {
        Err(Error::fatal(format!("cannot write the directory {}: {why}", output.display()))
            .help("name a directory that is not there yet, is empty or holds a seed"))
    };
    if !facts.is_dir() {
        return refuse("something else has its place");
    }
    for entry in output.read_dir().at("list", output)? {
        let name = entry.at("list", output)?.file_name();
        if !SEED.iter().any(|known| name == *known) {
            return refuse(&format!("it holds `{}`, which is no part of a seed", name.to_string_lossy()));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_seed_is_replaced_and_anything_else_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let output = scratch.path().join("seed");
        let tree = |files: &[(&str, &'static str)]| {
            let mut tree = Tree::new();
            files.iter().for_each(|(path, content)| tree.add(path, *content).unwrap());
            tree
        };
        write(&tree(&[("user-data", "1"), ("vendor-data", "1")]), &output).unwrap();
        write(&tree(&[("user-data", "2"), ("openstack/latest/user_data", "2")]), &output).unwrap();
        assert_eq!(fs::read_to_string(output.join("user-data")).unwrap(), "2");
        assert_eq!(fs::read_to_string(output.join("openstack/latest/user_data")).unwrap(), "2");
        assert!(!output.join("vendor-data").exists());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&output), mode(&output.join("user-data"))), (0o700, 0o600));

        fs::write(output.join("thesis.tex"), "").unwrap();
        let error = write(&Tree::new(), &output).unwrap_err().to_string();
        assert!(error.contains("it holds `thesis.tex`, which is no part of a seed"), "{error}");
        assert_eq!(fs::read_to_string(output.join("user-data")).unwrap(), "2");
        let file = output.join("thesis.tex");
        assert!(write(&Tree::new(), &file).unwrap_err().to_string().contains("something else has its place"));
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 1, "nothing is left beside");
        let error = write(&Tree::new(), &scratch.path().join("none/seed")).unwrap_err().to_string();
        assert!(error.contains("/none first") && !error.contains(".firstlight-"), "{error}");
    }
}
