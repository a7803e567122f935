// SPDX-License-Identifier: Apache-2.0
//! The seed of a boot: a medium that is there, or one made of a directory, of user-data or of documents.

use std::fmt::Write as _;
use std::path::Path;

use super::plan::{Documents, Seed};
use super::prepare::disc_drive;
use crate::error::{At as _, Error, Result};
use crate::host::medium::{self, Form, Tree};
use crate::host::qemu::Disk;
use crate::host::scratch::Scratch;
use crate::input;
use crate::media::{self, FileSystem};

/// Where root has keys at all: images refuse it in favour of a user of their own, whose name nobody here knows. What the
/// user-data says of it counts.
const ROOT_MAY: &str = "#cloud-config\ndisable_root: false\n";
/// Bytes of one of its files.
const LIMIT: u64 = 64 << 20;
/// Entries that are looked at in a directory, and how deep.
const ENTRIES: usize = 10_000;
const DEPTH: usize = 8;

/// Makes the medium, where it is not one already, and gives the drive for it. `key` (a line of authorized_keys) is for the
/// default user and for root.
///
/// # Errors
/// Absent or malformed, as what it is made of; malformed where a key is to go into a seed that is made already.
pub fn drive(seed: Option<&Seed>, key: Option<&str>, scratch: &Scratch) -> Result<Option<Disk>> {
    let closed = |path: &Path| match key {
        Some(_) => Err(Error::malformed(format!("{} is a seed of its own: no key can be added to it", path.display()))
            .help("give user-data alone, or put your own key in and leave --ssh out")),
        None => Ok(()),
    };
    let tree = match seed {
        Some(Seed::Path(path)) if path.is_dir() => {
            closed(path)?;
            directory(path)?
        }
        Some(Seed::Path(path)) => {
            if let Some(image) = media::open(path)? {
                closed(path)?;
                let cdrom = matches!(image.file_system(), FileSystem::Iso9660);
                return Ok(Some(Disk { cdrom, ..disc_drive(path.clone()) }));
            }
            let mut tree = Tree::new();
            tree.add("user-data", input::read(path, LIMIT)?)?;
            with_meta_data(tree, key)?
        }
        Some(Seed::Documents(documents)) => of_documents(documents, key)?,
        None if key.is_some() => with_meta_data(Tree::new(), key)?,
        None => return Ok(None),
    };
    let label = if tree.files().any(|(path, _)| path.starts_with("openstack/")) { "config-2" } else { "cidata" };
    let path = scratch.path().join("seed.iso");
    medium::write(&tree, label, Form::Iso, medium::Disk::Raw, &path)?;
    Ok(Some(disc_drive(path)))
}

fn of_documents(documents: &Documents, key: Option<&str>) -> Result<Tree> {
    let mut tree = Tree::new();
    let named = [("vendor-data", &documents.vendor_data), ("network-config", &documents.network_config)];
    for (name, content) in named {
        if let Some(content) = content {
            tree.add(name, content.clone())?;
        }
    }
    // NoCloud asks for both of these.
    tree.add("user-data", documents.user_data.clone().unwrap_or_default())?;
    match (&documents.meta_data, key) {
        (Some(meta_data), None) => tree.add("meta-data", meta_data.clone()).map(|()| tree),
        (Some(_), Some(_)) => {
            Err(Error::malformed("the specification has meta-data of its own: no key can be added to it"))
        }
        (None, key) => with_meta_data(tree, key),
    }
}

/// The id is of the content: another seed is another instance.
fn with_meta_data(mut tree: Tree, key: Option<&str>) -> Result<Tree> {
    let mut meta_data = String::from("instance-id: iid-");
    for byte in tree.digest().iter().take(10) {
        let _ = write!(meta_data, "{byte:02x}");
    }
    meta_data.push('\n');
    if let Some(key) = key {
        let _ = writeln!(meta_data, "public-keys:\n  - {key}");
        if !tree.files().any(|(path, _)| path == "vendor-data") {
            tree.add("vendor-data", ROOT_MAY)?;
        }
    }
    if !tree.files().any(|(path, _)| path == "user-data") {
        tree.add("user-data", "")?;
    }
    tree.add("meta-data", meta_data)?;
    Ok(tree)
}

/// The files of a directory as they are; links are followed as long as they stay in it.
fn directory(path: &Path) -> Result<Tree> {
    let root = path.canonicalize().at("open", path)?;
    let (mut tree, mut left) = (Tree::new(), ENTRIES);
    collect(&root, &root, DEPTH, &mut left, &mut tree)?;
    let known = ["meta-data", "user-data", "openstack/"];
    if !tree.files().any(|(name, _)| known.iter().any(|known| name.starts_with(known))) {
        return Err(Error::malformed(format!("{} is no seed", path.display()))
            .help("NoCloud has user-data and meta-data there, a config drive openstack/latest/meta_data.json"));
    }
    if tree.files().any(|(name, _)| name == "user-data") && !tree.files().any(|(name, _)| name == "meta-data") {
        return with_meta_data(tree, None);
    }
    Ok(tree)
}

fn collect(root: &Path, directory: &Path, depth: usize, left: &mut usize, tree: &mut Tree) -> Result<()> {
    let too_much = || Error::malformed(format!("{} is no seed: too many files, or too deep", root.display()));
    for entry in directory.read_dir().at("list", directory)? {
        let entry = entry.at("list", directory)?.path();
        *left = left.checked_sub(1).ok_or_else(too_much)?;
        let real = entry.canonicalize().at("open", &entry)?;
        if !real.starts_with(root) {
            return Err(Error::malformed(format!("{} leads out of {}", entry.display(), root.display()))
                .help("copy what the link points to into the directory"));
        }
        if real.is_dir() {
            collect(root, &entry, depth.checked_sub(1).ok_or_else(too_much)?, left, tree)?;
        } else {
            let name = entry.strip_prefix(root).unwrap_or(&entry);
            let name = name.to_str().ok_or_else(|| Error::malformed(format!("{} is not UTF-8", entry.display())))?;
            tree.add(name, input::read(&entry, LIMIT)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn text(tree: &Tree, name: &str) -> String {
        let file = tree.files().find(|(path, _)| *path == name);
        String::from_utf8_lossy(file.unwrap().1).into_owned()
    }

    #[test]
    fn another_content_is_another_instance() {
        let id = |user_data: &str| {
            let documents = Documents { user_data: Some(user_data.to_owned()), ..Documents::default() };
            text(&of_documents(&documents, None).unwrap(), "meta-data")
        };
        assert_eq!(id("#cloud-config\n"), id("#cloud-config\n"));
        assert_ne!(id("#cloud-config\n"), id("#cloud-config\na: 1\n"));
        assert!(id("").starts_with("instance-id: iid-"));
    }

    #[test]
    fn meta_data_that_is_given_stays() {
        let own = "instance-id: web-server-01\nlocal-hostname: web-server-01";
        let documents = Documents { meta_data: Some(own.to_owned()), ..Documents::default() };
        assert_eq!(text(&of_documents(&documents, None).unwrap(), "meta-data"), own);
        assert!(of_documents(&documents, Some("ssh-ed25519 AAAA")).is_err());
        let keyed = with_meta_data(Tree::new(), Some("ssh-ed25519 AAAA")).unwrap();
        assert!(text(&keyed, "meta-data").ends_with("public-keys:\n  - ssh-ed25519 AAAA\n"));
        assert_eq!(text(&keyed, "vendor-data"), ROOT_MAY);
        let documents = Documents { vendor_data: Some("#cloud-config\n".to_owned()), ..Documents::default() };
        let own = of_documents(&documents, Some("ssh-ed25519 AAAA")).unwrap();
        assert_eq!(text(&own, "vendor-data"), "#cloud-config\n");
    }

    #[test]
    fn a_directory_is_taken_whole_and_nothing_beside_it() {
        let parent = tempfile::tempdir().unwrap();
        let seed = parent.path().join("seed");
        fs::create_dir_all(seed.join("openstack/latest")).unwrap();
        assert!(directory(&seed).unwrap_err().to_string().contains("is no seed"));
        fs::write(seed.join("openstack/latest/meta_data.json"), "{}").unwrap();
        assert_eq!(text(&directory(&seed).unwrap(), "openstack/latest/meta_data.json"), "{}");
        fs::write(parent.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", seed.join("user-data")).unwrap();
        assert!(directory(&seed).unwrap_err().to_string().contains("leads out of"));
    }
}
