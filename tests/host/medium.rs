// SPDX-License-Identifier: Apache-2.0
//! Writes a directory as a medium, for `tests/host/media`: FORM DISK LABEL DIRECTORY OUTPUT.

use std::error::Error;
use std::fs;
use std::path::Path;

use firstlight::host::medium::{Tree, write};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [form, disk, label, directory, output] = arguments.as_slice() else {
        return Err("FORM DISK LABEL DIRECTORY OUTPUT are wanted".into());
    };
    let mut tree = Tree::new();
    add(&mut tree, Path::new(directory), "")?;
    Ok(write(&tree, label, form.parse()?, disk.parse()?, Path::new(output))?)
}

fn add(tree: &mut Tree, directory: &Path, above: &str) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{above}{}", entry.file_name().to_str().ok_or("a name is not UTF-8")?);
        match entry.file_type()?.is_dir() {
            true => add(tree, &entry.path(), &format!("{path}/"))?,
            false => tree.add(&path, fs::read(entry.path())?)?,
        }
    }
    Ok(())
}
