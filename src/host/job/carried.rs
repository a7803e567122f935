// SPDX-License-Identifier: Apache-2.0
//! What a job carries into its guest: a tar with the script, its environment, the list of outputs, and the inputs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header, HeaderMode};

use super::outputs::Outputs;
use crate::error::{At as _, Error, Result};

/// The most that a job's script may hold.
const SCRIPT_LIMIT: u64 = 4 << 20;
/// A tar ends with a multiple of this, for readers that know no less.
const RECORD: u64 = 10240;

/// A job's script and what goes with it.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The program, as it is executed in the guest.
    pub script: Vec<u8>,
    /// `JOB_NAME` and what `--env` says.
    pub environment: Vec<(String, String)>,
    /// What is wanted back.
    pub outputs: Outputs,
    /// Files and directories for the job's own directory, under their own names.
    pub inputs: Vec<PathBuf>,
}

/// Reads a script that a guest can execute.
///
/// # Errors
/// It is empty, too large, or a program of another kind (a machine's own; what has a NUL in its first lines).
pub fn script(path: &Path) -> Result<Vec<u8>> {
    let malformed = |what: &str| Error::malformed(format!("the job {} {what}", path.display()));
    if fs::metadata(path).at("read", path)?.is_dir() {
        return Err(malformed("is a directory"));
    }
    let script = crate::input::read(path, SCRIPT_LIMIT)?;
    if script.trim_ascii().is_empty() {
        return Err(malformed("is empty"));
    }
    if script.iter().take(4096).any(|byte| *byte == 0) {
        return Err(malformed("is no script")
            .help("a job is a text that begins with #! and its interpreter; give a program with --input"));
    }
    if script.split(|byte| *byte == b'\n').next().is_some_and(|line| line.starts_with(b"#!") && line.ends_with(b"\r")) {
        return Err(
            malformed("has lines that end as on Windows").help("no interpreter has such a name; convert it (dos2unix)")
        );
    }
    Ok(script)
}

/// `KEY=VALUE` of `--env`, or `KEY` alone, whose value is this program's own.
///
/// # Errors
/// The key is no name of a variable, or one that is set for the job anyway; or the value has a NUL.
pub fn variable(text: &str) -> std::result::Result<(String, String), String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, value.to_owned()),
        None => (text, own(text)?),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty() || !key.chars().all(word) || key.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`{key}` is no name of a variable"));
    }
    if ["JOB_DIR", "JOB_OUTPUT", "JOB_NAME"].contains(&key) {
        return Err(format!("{key} is set by the job's own"));
    }
    if value.contains('\0') {
        return Err(format!("the value of {key} has a NUL"));
    }
    Ok((key.to_owned(), value))
}

/// The value in this program's own environment: what a command line says every user of this machine can read.
fn own(key: &str) -> std::result::Result<String, String> {
    let none = |_| format!("{key} has no value: it is written KEY=VALUE, or KEY for one of this program's environment");
    std::env::var(key).map_err(none)
}

impl Carried {
    /// Writes the tar, readable for its owner alone: the environment may hold a secret.
    ///
    /// # Errors
    /// An input is not there, can't be read, or has the name of another.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.write(true).create_new(true).open(path).at("make", path)?;
        let mut tar = Builder::new(BufWriter::new(file));
        // As root's, without the owners of this machine; links as links; and no form of tar that busybox has not.
        tar.mode(HeaderMode::Deterministic);
        tar.follow_symlinks(false);
        tar.sparse(false);
        for (name, mode, content) in [
            ("control/script", 0o700, self.script.clone()),
            ("control/environment", 0o600, self.assignments().into_bytes()),
            ("control/outputs", 0o600, self.outputs.list().into_bytes()),
        ] {
            append(&mut tar, name, mode, &content).at("write", path)?;
        }
        tar.append_data(&mut header(EntryType::Directory, 0o755, 0), "input/", std::io::empty()).at("write", path)?;
        let mut names = BTreeSet::new();
        for input in &self.inputs {
            // What the caller names may be a link; what is beneath stays what it is.
            let source = input.canonicalize().at("read", input)?;
            let Some(name) = input.file_name().or(source.file_name()) else {
                return Err(Error::malformed(format!("the input {} has no name", input.display())));
            };
            if !names.insert(name.to_owned()) {
                return Err(Error::malformed(format!("two inputs have the name {}", name.display())));
            }
            let inside = Path::new("input").join(name);
            let added = match source.is_dir() {
                true => tar.append_dir_all(&inside, &source),
                false => tar.append_path_with_name(&source, &inside),
            };
            added
                .map_err(|error| Error::fatal(format!("cannot carry the input {}", input.display())).because(error))?;
        }
        let mut file = tar.into_inner().and_then(|writer| writer.into_inner().map_err(|error| error.into_error()));
        let length = file.as_mut().map_err(|error| std::io::Error::from(error.kind())).and_then(|file| file.metadata());
        let length = length.at("write", path)?.len().next_multiple_of(RECORD);
        file.and_then(|file| file.set_len(length)).at("write", path)
    }

    /// As a shell reads it: single quotes keep all but themselves.
    fn assignments(&self) -> String {
        let line = |(key, value): &(String, String)| format!("{key}='{}'\n", value.replace('\'', r"'\''"));
        self.environment.iter().map(line).collect()
    }
}

fn append(tar: &mut Builder<impl std::io::Write>, name: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
    tar.append_data(&mut header(EntryType::Regular, mode, content.len() as u64), name, content)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_has_what_the_job_needs_and_what_a_shell_reads_back() {
        let scratch = tempfile::tempdir().unwrap();
        let inputs = scratch.path().join("inputs");
        fs::create_dir_all(inputs.join("deep")).unwrap();
        fs::write(inputs.join("deep/config"), "x=1\n").unwrap();
        std::os::unix::fs::symlink("config", inputs.join("deep/link")).unwrap();
        fs::write(scratch.path().join("image.ks"), "part /\n").unwrap();
        let value = "it's \"$HOME\"\nand `id`\\";
        let carried = Carried {
            script: b"#!/bin/sh\n".to_vec(),
            environment: vec![("TOKEN".to_owned(), value.to_owned())],
            outputs: Outputs::new(&["out".into()]).unwrap(),
            inputs: vec![inputs, scratch.path().join("image.ks")],
        };
        let tar = scratch.path().join("tar");
        carried.write(&tar).unwrap();
        assert_eq!(fs::metadata(&tar).unwrap().len() % RECORD, 0);
        let to = scratch.path().join("to");
        fs::create_dir(&to).unwrap();
        let unpacked = std::process::Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(&to).status().unwrap();
        assert!(unpacked.success());
        assert_eq!(fs::read_to_string(to.join("input/inputs/deep/link")).unwrap(), "x=1\n");
        assert_eq!(fs::read_to_string(to.join("input/image.ks")).unwrap(), "part /\n");
        let shown = std::process::Command::new("sh")
            .args(["-c", ". \"$0\"; printf %s \"$TOKEN\""])
            .arg(to.join("control/environment"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shown.stdout).unwrap(), value);
    }

    #[test]
    fn what_cannot_run_or_be_set_is_refused_before_a_guest_is_started() {
        let scratch = tempfile::tempdir().unwrap();
        let job = scratch.path().join("job");
        for (content, told) in
            [(&b" \n"[..], "is empty"), (b"\x7fELF\0\0", "is no script"), (b"#!/bin/sh\r\n", "Windows")]
        {
            fs::write(&job, content).unwrap();
            assert!(script(&job).unwrap_err().to_string().contains(told), "{told}");
        }
        assert!(script(scratch.path()).unwrap_err().to_string().contains("is a directory"));
        assert!(script(&scratch.path().join("none")).unwrap_err().is_absent());
        assert_eq!(variable("A_1=b=c"), Ok(("A_1".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("PATH"), Ok(("PATH".to_owned(), std::env::var("PATH").unwrap())));
        for text in ["FIRSTLIGHT_NOT_SET", "", "=x", "1A=x", "A-B=x", "JOB_DIR=/", "A=\0"] {
            assert!(variable(text).is_err(), "{text}");
        }
    }

    #[test]
    fn two_inputs_of_one_name_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        for directory in ["a", "b"] {
            fs::create_dir(scratch.path().join(directory)).unwrap();
            fs::write(scratch.path().join(directory).join("x"), "").unwrap();
        }
        let inputs = vec![scratch.path().join("a/x"), scratch.path().join("b/x")];
        let outputs = Outputs::new(&[]).unwrap();
        let carried = Carried { script: Vec::new(), environment: Vec::new(), outputs, inputs };
        let error = carried.write(&scratch.path().join("tar")).unwrap_err().to_string();
        assert_eq!(error, "two inputs have the name x");
    }
}
