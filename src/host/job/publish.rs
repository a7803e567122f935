// SPDX-License-Identifier: Apache-2.0
//! Publishing what a job made: a directory with the results, their checksums and a manifest, which has its name only when
//! all of it is there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{At as _, Error, Result};
use crate::host::image::checksums;
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

/// What stands in manifest.json.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// The job's name.
    pub name: String,
    /// Its script's file name and digest.
    pub job: Named,
    /// The base image's.
    pub base: Named,
    /// Its exit code.
    pub exit_code: u8,
    /// When its guest was started and when its results were there, ISO 8601, UTC.
    pub started: String,
    /// See `started`.
    pub ended: String,
    /// File name of the serial console's log, where it is kept.
    pub serial_log: Option<String>,
    /// What was published.
    pub files: Vec<Published>,
}

/// A file that went into the job.
#[derive(Debug, Clone, Serialize)]
pub struct Named {
    /// Without its directory, which is nobody's business.
    pub file: String,
    /// 64 hex digits.
    pub sha256: String,
}

/// A file that came out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Below the published directory.
    pub path: String,
    /// Bytes, holes included.
    pub size: u64,
    /// 64 hex digits.
    pub sha256: String,
}

/// A directory that becomes `base_dir/NAME`.
pub struct Draft {
    scratch: Scratch,
    results: PathBuf,
    target: PathBuf,
}

/// Whether `base_dir/name` can still be made.
///
/// # Errors
/// Something has that name.
pub fn free(base_dir: &Path, name: &str) -> Result<()> {
    let target = base_dir.join(name);
    match target.symlink_metadata() {
        Ok(_) => Err(Error::fatal(format!("{} is there already, and is left as it is", target.display()))
            .help("give the job another --name, or take that directory away")),
        Err(_) => Ok(()),
    }
}

impl Draft {
    /// An empty one, on the file system of `base_dir`.
    pub fn new(base_dir: &Path, name: &str) -> Result<Self> {
        let scratch = Scratch::new(Some(base_dir))?;
        let results = scratch.path().join("results");
        fs::create_dir(&results).at("make", &results)?;
        Ok(Self { results, scratch, target: base_dir.join(name) })
    }

    /// Where the results go.
    pub fn path(&self) -> &Path {
        &self.results
    }

    /// Writes checksums of `files` (below [`Self::path`]) and the manifest, puts all on the disk and gives it its name.
    ///
    /// # Errors
    /// No space, or somebody else made a directory of that name meanwhile; then nothing is published.
    pub fn publish(self, files: &[PathBuf], mut manifest: Manifest, teller: &Teller) -> Result<Vec<Published>> {
        let mut lists: [(&str, Vec<u8>); 3] = [("", Vec::new()), ("", Vec::new()), ("", Vec::new())];
        // One work for all: there may be thousands.
        let work = teller.work(&format!("checksums of {} files", files.len()), None);
        for file in files {
            let path = self.results.join(file);
            let size = fs::metadata(&path).at("look at", &path)?.len();
            work.now(&format!("checksums of {}", file.display()));
            let digests = checksums::of(&path, &work)?;
            let sha256 = digests.iter().find(|(list, _)| *list == "SHA256SUMS").map(|(_, digest)| digest.clone());
            let path = file.to_string_lossy().into_owned();
            manifest.files.push(Published { path, size, sha256: sha256.unwrap_or_default() });
            for ((list, lines), (name, digest)) in lists.iter_mut().zip(digests) {
                *list = name;
                lines.extend(line(&digest, file.as_os_str()));
            }
        }
        for (list, lines) in lists.iter().filter(|_| !files.is_empty()) {
            self.write(list, lines)?;
        }
        let mut text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| Error::fatal("cannot write the manifest").because(error))?;
        text.push(b'\n');
        self.write("manifest.json", &text)?;
        fs::set_permissions(&self.results, fs::Permissions::from_mode(0o755)).at("set the mode of", &self.results)?;
        // One call for all the files, which are on one file system.
        let directory = File::open(&self.results).at("open", &self.results)?;
        nix::unistd::syncfs(&directory).at("write to the disk", &self.results)?;
        // A directory never replaces one that has something in it.
        fs::rename(&self.results, &self.target).at("publish", &self.target)?;
        drop(self.scratch);
        Ok(manifest.files)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.results.join(name);
        let mut file = File::create_new(&path).at("make", &path)?;
        std::io::Write::write_all(&mut file, content).at("write", &path)
    }
}

/// A line as `sha256sum -c` reads it: a name that would break it has its escapes, and a backslash in front.
fn line(digest: &str, name: &OsStr) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in name.as_bytes() {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    let mark: &[u8] = if escaped == name.as_bytes() { b"" } else { b"\\" };
    [mark, digest.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

/// Where a published file is served: each part of its path in the form that URLs have.
pub fn url(base_url: &str, name: &str, file: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escaped = format!("{name}/{file}").bytes().fold(String::new(), |mut url, byte| {
        match plain(byte) {
            true => url.push(char::from(byte)),
            false => url += &format!("%{byte:02X}"),
        }
        url
    });
    format!("{}/{escaped}", base_url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let named = Named { file: "x".to_owned(), sha256: "00".to_owned() };
        Manifest {
            name: "image".to_owned(),
            job: named.clone(),
            base: named,
            exit_code: 0,
            started: String::new(),
            ended: String::new(),
            serial_log: None,
            files: Vec::new(),
        }
    }

    #[test]
    fn all_is_there_under_the_name_and_the_usual_programs_confirm_it() {
        let base = tempfile::tempdir().unwrap();
        let draft = Draft::new(base.path(), "image").unwrap();
        let files = ["a.img", "deep/b\\c", "deep/line\nbreak"].map(PathBuf::from);
        fs::create_dir(draft.path().join("deep")).unwrap();
        for file in &files {
            fs::write(draft.path().join(file), file.as_os_str().as_bytes()).unwrap();
        }
        let published = draft.publish(&files, manifest(), &Teller::new(true)).unwrap();
        assert_eq!(published.len(), 3);
        let names: Vec<_> = fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["image"]);
        let directory = base.path().join("image");
        for (program, list) in [("sha256sum", "SHA256SUMS"), ("sha512sum", "SHA512SUMS"), ("md5sum", "MD5SUMS")] {
            let checked = std::process::Command::new(program)
                .args(["--strict", "--quiet", "-c", list])
                .current_dir(&directory)
                .output()
                .unwrap();
            assert!(checked.status.success(), "{program}: {}", String::from_utf8_lossy(&checked.stderr));
        }
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(directory.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["files"][0]["path"], "a.img");
    }

    #[test]
    fn a_name_that_is_taken_is_left_as_it_is() {
        let base = tempfile::tempdir().unwrap();
        free(base.path(), "image").unwrap();
        let draft = Draft::new(base.path(), "image").unwrap();
        fs::create_dir(base.path().join("image")).unwrap();
        fs::write(base.path().join("image/old"), "").unwrap();
        assert!(free(base.path(), "image").unwrap_err().to_string().contains("there already"));
        draft.publish(&[], manifest(), &Teller::new(true)).unwrap_err();
        assert!(base.path().join("image/old").exists());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn urls_have_no_character_that_is_none_of_theirs() {
        assert_eq!(
            url("https://images.example.org/", "a b", "x/ü#?.img"),
            "https://images.example.org/a%20b/x/%C3%BC%23%3F.img"
        );
    }
}
