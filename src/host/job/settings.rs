// SPDX-License-Identifier: Apache-2.0
//! What stays the same from job to job: options of the command line, and keys of a settings file of the same names.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::host::qemu::NetworkChoice;
use crate::host::units::{DiskSize, Memory, Size, Time};
use crate::input;

/// The most that a settings file may hold.
const LIMIT: u64 = 1 << 20;

/// All that is not said is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[group(id = "job-settings")]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Boot this image; it is not changed
    #[arg(long, value_name = "IMG")]
    pub base: Option<PathBuf>,
    /// Publish the results of a job in DIR/NAME; default: here
    #[arg(long, value_name = "DIR")]
    pub base_dir: Option<PathBuf>,
    /// Where the directory of --base-dir is served; printed with NAME
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub base_url: Option<String>,
    /// Start this kernel in place of the image's boot loader. An option of `bake` itself.
    #[arg(skip)]
    pub kernel: Option<PathBuf>,
    /// The initrd of --kernel
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// More for the command line of a kernel that is started directly
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Firmware of the guest: UEFI in place of BIOS
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub uefi: Option<bool>,
    /// Memory of the guest, e.g. `512M`, `2G`, or a number of MiB; default: 1G
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Memory>,
    /// Processors of the guest; default: 1
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=255))]
    pub processors: Option<u32>,
    /// The guest's card. `restricted`: with DHCP, and no way out. `user`: out through this machine. `none`: no card; many
    /// systems then wait for one. `bridge=NAME`: on a bridge of this machine, by QEMU's bridge helper. `netdev=VALUE`: as
    /// QEMU's -netdev has it. Default: restricted
    #[arg(long, value_name = "WHICH")]
    pub network: Option<NetworkChoice>,
    /// Grow the guest's disk to this, e.g. `20G`; its agent grows the file system
    #[arg(long, value_name = "SIZE")]
    pub disk_size: Option<DiskSize>,
    /// The most that the results may have, holes included; default: 20G
    #[arg(long, value_name = "SIZE")]
    pub results_size: Option<Size>,
    /// Give the guest up when its job has not begun by then; default: 10m
    #[arg(long, value_name = "TIME")]
    pub boot_deadline: Option<Time>,
    /// Give the job up when it has not ended by then, from the guest's start; default: 2h
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<Time>,
    /// How many guests may run at a time, all programs with the same --base-dir counted; default: 1
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub parallel: Option<u32>,
}

impl Settings {
    /// Reads a settings file. Its paths are relative to the directory that it is in.
    ///
    /// # Errors
    /// It is not there, or says what is no setting (with the line).
    pub fn read(file: &Path) -> Result<Self> {
        let text = input::read(file, LIMIT)?;
        let mut settings = Self::parse(&text).map_err(|error| {
            Error::malformed(format!("{} is no settings file of jobs", file.display())).because(error)
        })?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let paths = [&mut settings.base, &mut settings.base_dir, &mut settings.kernel, &mut settings.initrd];
        for path in paths.into_iter().flatten() {
            *path = directory.join(&*path);
        }
        settings.check().map_err(|error| error.while_doing(file.display()))?;
        Ok(settings)
    }

    fn parse(text: &[u8]) -> std::result::Result<Self, serde_yaml::Error> {
        // A file of comments alone is one without settings.
        Ok(serde_yaml::from_slice::<Option<Self>>(text)?.unwrap_or_default())
    }

    /// What the command line's parser looks at by itself.
    fn check(&self) -> Result<()> {
        if self.parallel == Some(0) || self.processors == Some(0) {
            return Err(Error::malformed("`parallel` and `processors` are at least 1"));
        }
        Ok(())
    }

    /// These, and for what they do not say the others.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            base: self.base.or(other.base),
            base_dir: self.base_dir.or(other.base_dir),
            base_url: self.base_url.or(other.base_url),
            kernel: self.kernel.or(other.kernel),
            initrd: self.initrd.or(other.initrd),
            append: self.append.or(other.append),
            uefi: self.uefi.or(other.uefi),
            memory: self.memory.or(other.memory),
            processors: self.processors.or(other.processors),
            network: self.network.or(other.network),
            disk_size: self.disk_size.or(other.disk_size),
            results_size: self.results_size.or(other.results_size),
            boot_deadline: self.boot_deadline.or(other.boot_deadline),
            deadline: self.deadline.or(other.deadline),
            parallel: self.parallel.or(other.parallel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_that_ships_is_read_and_the_command_line_goes_before_it() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/bake.conf.example");
        let file = Settings::read(&example).unwrap();
        assert_eq!(file.results_size, Some(Size(20 << 30)));
        assert_eq!(file.base.as_deref(), Some(Path::new("/srv/images/builder.qcow2")));
        let typed = Settings { parallel: Some(9), ..Settings::default() };
        let both = typed.or(file.clone());
        assert_eq!(both, Settings { parallel: Some(9), ..file });
    }

    #[test]
    fn what_is_no_setting_is_told_with_its_line() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("bake.conf");
        let told = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Settings::read(&file).map_err(|error| error.to_string())
        };
        assert!(told("parallel: 2\nbase_urls: x\n").unwrap_err().contains("unknown field `base_urls`"));
        assert!(told("parallel: 2\nbase_urls: x\n").unwrap_err().contains("line 2"));
        let soon = told("parallel: 2\ndeadline: soon\n").unwrap_err();
        assert!(soon.contains("a time is a number of seconds") && soon.contains("line 2"), "{soon}");
        assert!(told("parallel: 0\n").unwrap_err().contains("at least 1"));
        assert_eq!(told("# nothing\n"), Ok(Settings::default()));
        assert_eq!(told("base: b.qcow2\n").unwrap().base, Some(scratch.path().join("b.qcow2")));
    }
}
