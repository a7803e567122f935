// SPDX-License-Identifier: Apache-2.0
//! What cloud-localds' `--disk-format` and `--filesystem` come to together.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{At as _, Error, Result};
use crate::host::medium::{self, Beside, Disk, Form, Tree};

const LABEL: &str = "cidata";

/// How the files are laid out.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// What cloud-localds calls it.
    pub name: String,
    form: Form,
    /// The directory that they stand in.
    below: Option<&'static str>,
    disk: Target,
}

#[derive(Debug, PartialEq, Eq)]
enum Target {
    Ours(Disk),
    /// By qemu-img, from a raw one.
    Converted(String),
}

impl Layout {
    /// # Errors
    /// Malformed where the two do not go together, or one is not known.
    pub fn of(disk_format: &str, filesystem: Option<&str>) -> Result<Self> {
        let is_tar = |name: &str| matches!(name, "tar" | "tar-seed-local" | "tar-seed-net");
        if disk_format.starts_with("tar") && !is_tar(disk_format) {
            return Err(Error::malformed("supported 'tar' formats are tar, tar-seed-local, tar-seed-net"));
        }
        if is_tar(disk_format) && filesystem.is_some_and(|filesystem| filesystem != "tar") {
            return Err(Error::malformed("diskformat=tar is incompatible with filesystem"));
        }
        let name = if is_tar(disk_format) { disk_format } else { filesystem.unwrap_or("iso9660") };
        let (form, below) = match name {
            "iso" | "iso9660" => (Form::Iso, None),
            "vfat" => (Form::Vfat, None),
            "tar" => (Form::Tar, None),
            "tar-seed-local" => (Form::Tar, Some("var/lib/cloud/seed/nocloud")),
            "tar-seed-net" => (Form::Tar, Some("var/lib/cloud/seed/nocloud-net")),
            _ => return Err(Error::malformed(format!("unknown filesystem {name}"))),
        };
        let disk = match disk_format {
            _ if is_tar(disk_format) => Target::Ours(Disk::Raw),
            "raw" => Target::Ours(Disk::Raw),
            "qcow2" if form != Form::Tar => Target::Ours(Disk::Qcow2),
            other => Target::Converted(other.to_owned()),
        };
        let name = if name == "iso" { "iso9660" } else { name }.to_owned();
        Ok(Self { name, form, below, disk })
    }

    /// Writes `files` to `output`, or where it is `-` to standard output.
    pub fn write(&self, files: &Tree, output: &Path) -> Result<()> {
        let below = self.below.map(|below| files.below(below)).transpose()?;
        let files = below.as_ref().unwrap_or(files);
        match &self.disk {
            Target::Ours(disk) => medium::write(files, LABEL, self.form, *disk, output),
            Target::Converted(format) => self.convert(files, format, output),
        }
    }

    /// By qemu-img, beside the output and then in its place.
    fn convert(&self, files: &Tree, format: &str, output: &Path) -> Result<()> {
        let to_stdout = output == Path::new("-");
        let beside = if to_stdout { std::env::temp_dir().join("seed") } else { output.to_owned() };
        let scratch = Beside::new(&beside)?;
        let (raw, converted) = (scratch.path().join("raw"), scratch.path().join("converted"));
        let file = File::create_new(&raw).at("write", &beside)?;
        medium::write_into(files, LABEL, self.form, &file, &beside)?;
        let mut command = Command::new("qemu-img");
        command.args(["convert", "-f", "raw", "-O", format]).args([&raw, &converted]).stdin(Stdio::null());
        let made = command.output().map_err(|error| {
            let missing = Error::absent(format!("missing 'qemu-img'. Required for --disk-format={format}."));
            missing
                .because(error)
                .help("install it (qemu-utils, qemu-img), or take raw or qcow2, which need no other program")
        })?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            let said = said.lines().next().unwrap_or("it does not say why");
            return Err(Error::fatal(format!("failed to convert to disk format {format}: {said}")));
        }
        if to_stdout {
            let mut file = File::open(&converted).at("read", &converted)?;
            let copied = std::io::copy(&mut file, &mut std::io::stdout().lock());
            return copied.map(|_| ()).map_err(|error| Error::fatal("cannot write to standard output").because(error));
        }
        fs::rename(&converted, output).at("write", output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_together_and_what_does_not() {
        let of = |disk: &str, filesystem: Option<&str>| {
            Layout::of(disk, filesystem)
                .map(|layout| (layout.name.clone(), layout.form, layout.disk))
                .map_err(|error| error.to_string())
        };
        let raw = || Target::Ours(Disk::Raw);
        for (disk, filesystem, expected) in [
            ("raw", None, ("iso9660", Form::Iso, raw())),
            ("raw", Some("iso"), ("iso9660", Form::Iso, raw())),
            ("qcow2", Some("vfat"), ("vfat", Form::Vfat, Target::Ours(Disk::Qcow2))),
            ("tar", Some("tar"), ("tar", Form::Tar, raw())),
            ("tar-seed-net", None, ("tar-seed-net", Form::Tar, raw())),
            ("raw", Some("tar"), ("tar", Form::Tar, raw())),
            ("qcow2", Some("tar"), ("tar", Form::Tar, Target::Converted("qcow2".to_owned()))),
            ("vmdk", None, ("iso9660", Form::Iso, Target::Converted("vmdk".to_owned()))),
        ] {
            assert_eq!(
                of(disk, filesystem),
                Ok((expected.0.to_owned(), expected.1, expected.2)),
                "{disk} {filesystem:?}"
            );
        }
        for (disk, filesystem) in
            [("tar", Some("iso")), ("tarball", None), ("raw", Some("ext4")), ("tar-seed-net", Some("vfat"))]
        {
            assert!(of(disk, filesystem).is_err(), "{disk} {filesystem:?}");
        }
    }
}
