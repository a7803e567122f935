// SPDX-License-Identifier: Apache-2.0
//! What is put into an image: the agent, settings, files.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{At as _, Error, Result};
use crate::root::{Root, Tree as _};

/// Files and directories of one directory that is copied in, at most.
const ENTRIES: usize = 100_000;
/// Directories within each other.
const DEPTH: usize = 64;

/// All that one image gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contents {
    /// The guest agent's file.
    pub agent: PathBuf,
    /// Names of the profiles that the agent brings, and files of settings.
    pub profiles: Vec<String>,
    /// Other files, directories before what is in them.
    pub copies: Vec<Copy>,
    /// cloud-init is left on.
    pub keep_cloud_init: bool,
    /// Names of what is cleaned away; none: not even the agent's own state and the machine id.
    pub clean: Option<Vec<String>>,
}

/// A file, directory or link on its way into an image, where root owns it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Copy {
    /// Where it is here.
    pub from: PathBuf,
    /// Where it is to be in the guest.
    pub to: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What is copied.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub enum Kind {
    /// With this mode.
    File(u32),
    /// With this mode.
    Directory(u32),
    /// That leads there.
    Link(PathBuf),
}

/// `LOCAL:GUEST[:MODE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    from: PathBuf,
    to: PathBuf,
    mode: Option<u32>,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, mode) = match text.rsplit_once(':') {
            Some((rest, mode)) if rest.contains(':') && !mode.starts_with('/') => {
                let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777);
                (rest, Some(mode.ok_or("the mode is not octal, as in 0644")?))
            }
            _ => (text, None),
        };
        let (from, to) = rest.rsplit_once(':').ok_or("it is LOCAL:GUEST or LOCAL:GUEST:MODE")?;
        let guest = Path::new(to);
        if from.is_empty() || !guest.is_absolute() || guest.file_name().is_none() {
            return Err("GUEST is an absolute path of the image, with the name that the copy is to have".into());
        }
        Ok(Self { from: from.into(), to: to.into(), mode })
    }
}

impl Asked {
    /// All that is copied for it: the file itself, or the directory with what is in it.
    pub fn copies(&self) -> Result<Vec<Copy>> {
        let mut copies = Vec::new();
        self.walk(&self.from, &self.to, 0, &mut copies)?;
        Ok(copies)
    }

    fn walk(&self, from: &Path, to: &Path, depth: usize, copies: &mut Vec<Copy>) -> Result<()> {
        // What the user names is followed if it is a link; what is found in a directory is copied as it is.
        let looked = if depth == 0 { fs::metadata(from) } else { fs::symlink_metadata(from) };
        let there = looked.at("copy", from)?;
        let mode = there.permissions().mode() & 0o7777;
        if depth > DEPTH || copies.len() >= ENTRIES {
            return Err(Error::malformed(format!(
                "{} holds more than {ENTRIES} files, or directories deeper than {DEPTH}",
                self.from.display()
            ))
            .help("unpack it in the image by a script of its first boot, or mount the image and use --root"));
        }
        let push = |kind: Kind| Copy { from: absolute(from), to: to.to_owned(), kind };
        if there.is_symlink() {
            copies.push(push(Kind::Link(fs::read_link(from).at("read the link", from)?)));
        } else if there.is_dir() {
            copies.push(push(Kind::Directory(mode)));
            let mut names = Vec::new();
            for entry in fs::read_dir(from).at("list", from)? {
                names.push(entry.at("list", from)?.file_name());
            }
            names.sort();
            for name in names {
                self.walk(&from.join(&name), &to.join(&name), depth + 1, copies)?;
            }
        } else if there.is_file() {
            copies.push(push(Kind::File(self.mode.unwrap_or(mode))));
        } else {
            return Err(Error::malformed(format!("{} is no file, directory or link", from.display())));
        }
        Ok(())
    }
}

/// The worker stands in another directory.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl Copy {
    /// Puts it into the image; a file in place of what is there, at once.
    pub fn put(&self, root: &Root) -> Result<()> {
        match &self.kind {
            // One that the image has keeps its mode.
            Kind::Directory(_) if root.exists(&self.to) => Ok(()),
            Kind::Directory(mode) => root.make_directory(&self.to, *mode),
            Kind::Link(target) => root.link(&self.to, target),
            Kind::File(mode) => {
                let name = self.to.file_name().unwrap_or_default().to_string_lossy();
                let beside = self.to.with_file_name(format!(".{name}.firstlight"));
                root.remove(&beside)?;
                let mut file = root.append(&beside, 0o600)?;
                let copied = File::open(&self.from).and_then(|mut from| io::copy(&mut from, &mut file));
                let done = copied
                    .and_then(|_| file.set_permissions(fs::Permissions::from_mode(*mode)))
                    .at("copy to the image", &self.to)
                    .and_then(|()| root.rename(&beside, &self.to));
                done.inspect_err(|_| drop(root.remove(&beside)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_copy_is_asked_for_as_with_other_tools() {
        let asked = |text: &str| text.parse::<Asked>();
        let expected = Asked { from: "a:b".into(), to: "/etc/x".into(), mode: Some(0o600) };
        assert_eq!(asked("a:b:/etc/x:0600").unwrap(), expected);
        assert_eq!(asked("a:b:/etc/x").unwrap(), Asked { mode: None, ..expected });
        for wrong in ["a", "a:", "a:etc/x", ":/etc/x", "a:/", "a:/etc/x:rw", "a:/etc/x:77777", "a:/etc/.."] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_directory_comes_with_its_modes_and_links() {
        let (here, image) = (Scratch::new(), Scratch::new());
        here.file("/site/bin/run", "#!/bin/sh\n");
        fs::set_permissions(here.path("/site/bin/run"), fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("bin/run", here.path("/site/run")).unwrap();
        let asked = Asked { from: here.path("/site"), to: "/opt/site".into(), mode: None };
        for copy in asked.copies().unwrap() {
            copy.put(&image.root()).unwrap();
        }
        assert_eq!(image.text("/opt/site/bin/run"), "#!/bin/sh\n");
        assert_eq!(fs::metadata(image.path("/opt/site/bin/run")).unwrap().permissions().mode() & 0o7777, 0o750);
        assert_eq!(fs::read_link(image.path("/opt/site/run")).unwrap(), Path::new("bin/run"));
        assert_eq!(fs::read_dir(image.path("/opt/site/bin")).unwrap().count(), 1, "nothing beside it");
    }
}
