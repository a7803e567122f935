// SPDX-License-Identifier: Apache-2.0
//! Which paths of the guest are wanted back, and what they are called where they are published.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// Where a job's own directories are in the guest; guest.sh has the same.
const HOME: &str = "var/lib/firstlight-job";

/// Names at the top of a published directory that are the publisher's own.
const RESERVED: [&str; 4] = ["manifest.json", "SHA256SUMS", "SHA512SUMS", "MD5SUMS"];

/// Paths below the guest's `/`; the last is what `$JOB_OUTPUT` has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs(Vec<PathBuf>);

impl Outputs {
    /// Of `--output`: absolute, or relative to where the job runs. Everything in `$JOB_OUTPUT` is wanted in any case.
    ///
    /// # Errors
    /// A path with `..`, one that is the whole root, one with a line break, or two of the same last name.
    pub fn new(asked: &[PathBuf]) -> Result<Self> {
        let (mut paths, mut names) = (Vec::new(), BTreeSet::new());
        for path in asked {
            let refused = |why: &str| Error::malformed(format!("the output {} {why}", path.display()));
            let whole = Path::new("/").join(HOME).join("input").join(path);
            let parts = whole.components().map(|part| match part {
                Component::Normal(name) => Ok(Some(name)),
                Component::RootDir | Component::CurDir => Ok(None),
                Component::ParentDir | Component::Prefix(_) => Err(refused("has `..`")),
            });
            let below = parts.filter_map(Result::transpose).collect::<Result<PathBuf>>()?;
            let Some(name) = below.file_name() else { return Err(refused("is the whole guest")) };
            match below.to_str() {
                Some(text) if !text.contains('\n') => {}
                _ => return Err(refused("has a line break, or is no UTF-8")),
            }
            let own = Path::new(HOME).join("output");
            if paths.iter().chain([&own]).any(|other| below.starts_with(other) || other.starts_with(&below)) {
                return Err(refused("lies in another, or another in it").help("what is in $JOB_OUTPUT is taken anyway"));
            }
            if !names.insert(name.to_owned()) {
                return Err(refused("has the name of another").help("results are published by their last names"));
            }
            paths.push(below);
        }
        paths.push(Path::new(HOME).join("output"));
        Ok(Self(paths))
    }

    /// For the guest: a path on each line.
    pub fn list(&self) -> String {
        self.0.iter().map(|path| format!("{}\n", path.display())).collect()
    }

    /// The path of a line, from 1, as a person knows it.
    pub fn line(&self, line: usize) -> String {
        let path = line.checked_sub(1).and_then(|index| self.0.get(index));
        path.map_or_else(|| format!("line {line}"), |path| format!("/{}", path.display()))
    }

    /// What a member of the guest's tar is called below the published directory; empty for that directory itself, none
    /// where it was not asked for.
    pub fn published(&self, member: &Path) -> Option<PathBuf> {
        let parts = member.components().filter(|part| *part != Component::CurDir);
        let member = parts
            .map(|part| match part {
                Component::Normal(name) => Some(name),
                _ => None,
            })
            .collect::<Option<PathBuf>>()?;
        let (own, asked) = self.0.split_last()?;
        let named =
            |output: &PathBuf| member.strip_prefix(output.parent()?).ok().filter(|_| member.starts_with(output));
        let name = match member.strip_prefix(own) {
            Ok(name) => name,
            Err(_) => asked.iter().find_map(named)?,
        };
        match name.to_str() {
            Some(text) if RESERVED.contains(&text) => Some(format!("job-{text}").into()),
            _ => Some(name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(asked: &[&str]) -> Result<Outputs> {
        Outputs::new(&asked.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn results_are_published_by_their_last_names() {
        let outputs = outputs(&["/srv/out/", "log.txt", "/srv/a b.img"]).unwrap();
        let lines = "srv/out\nvar/lib/firstlight-job/input/log.txt\nsrv/a b.img\nvar/lib/firstlight-job/output\n";
        assert_eq!(outputs.list(), lines);
        assert_eq!(outputs.line(2), "/var/lib/firstlight-job/input/log.txt");
        assert_eq!(outputs.line(9), "line 9");
        for (member, name) in [
            ("./srv/out/", Some("out")),
            ("./srv/out/deep/x.img", Some("out/deep/x.img")),
            ("./srv/a b.img", Some("a b.img")),
            ("./var/lib/firstlight-job/input/log.txt", Some("log.txt")),
            ("./var/lib/firstlight-job/output/", Some("")),
            ("var/lib/firstlight-job/output/y/z", Some("y/z")),
            ("./var/lib/firstlight-job/output/SHA256SUMS", Some("job-SHA256SUMS")),
            ("./var/lib/firstlight-job/output/d/SHA256SUMS", Some("d/SHA256SUMS")),
            ("./var/lib/firstlight-job/control/environment", None),
            ("./srv/outside", None),
            ("./srv/out/../../etc/shadow", None),
            ("/srv/out/x", None),
        ] {
            assert_eq!(outputs.published(Path::new(member)), name.map(PathBuf::from), "{member}");
        }
    }

    #[test]
    fn what_could_not_be_told_apart_is_refused() {
        for asked in
            [&["/"][..], &["../x"], &["/a/../b"], &["/a/x", "/b/x"], &["/a\nb"], &["/a", "/a/b"], &["/var/lib"]]
        {
            assert!(outputs(asked).is_err(), "{asked:?}");
        }
    }
}
