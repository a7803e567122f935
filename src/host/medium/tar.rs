// SPDX-License-Identifier: Apache-2.0
//! A tar archive: files only, root's and for root alone, in the order of their paths.
//!
//! Directories are not listed, so that unpacking `var/lib/cloud/seed/nocloud/user-data` in a root leaves the modes of `var`
//! and `var/lib` as they are.

use tar::{Builder, EntryType, Header};

use super::image::Image;
use super::stamp::Stamp;
use super::tree::Tree;
use crate::error::{Error, Result};

/// The archive with these files.
pub fn image(tree: &Tree, stamp: Stamp) -> Result<Image> {
    let mut archive = Builder::new(Vec::new());
    let failed = |error| Error::fatal("cannot make the archive").because(error);
    for (path, content) in tree.files() {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root").map_err(failed)?;
        header.set_groupname("root").map_err(failed)?;
        header.set_mtime(stamp.seconds);
        archive.append_data(&mut header, path, &content[..]).map_err(failed)?;
    }
    let mut image = Image::default();
    image.put(0, archive.into_inner().map_err(failed)?);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn files_come_out_with_their_names_and_modes() {
        let long = format!("{}/{}", "d".repeat(200), "ü".repeat(100));
        let mut tree = Tree::new();
        for (path, content) in [("user-data", "#cloud-config\n"), ("empty", ""), (&long, "deep")] {
            tree.add(path, content).unwrap();
        }
        let mut bytes = Vec::new();
        image(&tree, Stamp::at(1_709_251_199)).unwrap().stream(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(
                (header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap()),
                (0o600, 0, 1_709_251_199)
            );
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            found.push((entry.path().unwrap().to_string_lossy().into_owned(), content));
        }
        let expected: Vec<(String, String)> =
            tree.files().map(|(path, bytes)| (path.to_owned(), String::from_utf8(bytes.to_vec()).unwrap())).collect();
        assert_eq!(found, expected);
    }
}
