// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host bake`.

mod clean;
mod contents;
mod elf;
mod finish;
mod mount;
mod ways;
mod worker;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use self::contents::{Asked, Contents};
use self::finish::Finish;
use self::worker::{Outcome, Place, Task};
use crate::cli;
use crate::error::{At as _, Error, Result};
use crate::host::image::Format;
use crate::host::image::tool::Compression;
use crate::host::tell::Teller;
use crate::host::{Common, job};

/// Put the agent into an image, without booting it; or with --job run a script in a guest and publish what it makes
///
/// IMAGE may be raw, qcow2 or whatever else qemu-img reads. All is done on a copy or an overlay and gets its name when it
/// is whole: IMAGE itself is never half-written, and is as it was where something fails; what lay behind it as an overlay
/// is then part of it. A root in a partition or on the bare disk is found by its /etc/os-release (ext2, ext3, ext4, xfs,
/// btrfs); one on LVM or encrypted is reached by --root.
///
/// The image is made fit for publication first: the machine id, host keys, logs, leases, the state of this agent and of
/// cloud-init, random seeds, shell histories, temporary files and package caches go (--no-clean, --keep). Then come the
/// agent, its units, the profiles and what --copy names. Exit code 2 where the settings have an error.
///
/// A job is a script with a #! line. It runs as root in a guest over the image of --base, which has an agent (Firstlight or
/// cloud-init) and is not changed, in the directory $JOB_DIR with the inputs in it. What it puts into $JOB_OUTPUT, and the
/// paths of --output, are published in DIR/NAME of --base-dir with checksums and manifest.json (a result that has one of
/// their names gets `job-` in front); a name that is taken is refused. Nothing is published of a job that fails, but the
/// console's log as DIR/NAME.console.log; the exit code is 1 where one did.
#[derive(Args)]
#[command(after_help = WAYS_HELP)]
pub struct Arguments {
    /// The image
    #[arg(value_name = "IMAGE", required_unless_present_any = ["root", "jobs"], conflicts_with_all = ["root", "jobs"])]
    image: Option<PathBuf>,
    /// Work in the image root that is mounted or unpacked at DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["jobs", "output", "format", "compress", "sums", "way", "kernel"])]
    root: Option<PathBuf>,
    #[command(flatten)]
    contents: ContentsArguments,
    /// Write the image here; default: in place of IMAGE, when it is whole. With --job: a path of the guest to publish
    #[arg(long, short, value_name = "PATH")]
    output: Vec<PathBuf>,
    /// Its format; default: that of IMAGE, or qcow2 where this is neither
    #[arg(long, value_parser = ["raw", "qcow2"])]
    format: Option<String>,
    /// Compress it (qcow2 only); zstd wants QEMU 5.1 or newer
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "zlib")]
    compress: Option<Compression>,
    /// Write SHA256SUMS, SHA512SUMS and MD5SUMS beside it; other files' lines in them stay
    #[arg(long)]
    sums: bool,
    /// How to write into it: `loop` (root), `appliance` (anybody, with QEMU), or the first that is possible
    #[arg(long, default_value = "auto", value_parser = ["auto", "loop", "appliance"])]
    way: String,
    /// The appliance's kernel; default: the image's own (ext4), else this machine's. With --job: started in place of the
    /// base image's boot loader
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The directory of that kernel's modules (/lib/modules/VERSION)
    #[arg(long, value_name = "DIR", requires = "kernel")]
    modules: Option<PathBuf>,
    #[command(flatten)]
    job: job::Arguments,
}

const WAYS_HELP: &str = "\
Ways into an image:
  loop       mounts a raw copy in a mount namespace of its own, through a loop device that goes with the mount
  appliance  boots a kernel for some seconds with this program as its only one, on an overlay over the image; wants the
             static build of firstlight-host, and QEMU (with KVM, or slower without)";

/// What goes in, and what goes out.
#[derive(Args)]
#[command(next_help_heading = "Contents")]
struct ContentsArguments {
    /// The guest agent to put in: static, for the image's processor; default: `firstlight` beside this program
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Settings for /etc/firstlight/config.d: mobiledgex, vm-bootstrap, or a file
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<String>,
    /// More settings, from a file; they come after the profiles
    #[arg(long, value_name = "FILE")]
    setting: Vec<PathBuf>,
    /// Copy a file or a directory into the image, owned by root; MODE is octal
    #[arg(long, value_name = "LOCAL:GUEST[:MODE]")]
    copy: Vec<Asked>,
    /// Leave cloud-init on
    #[arg(long)]
    keep_cloud_init: bool,
    /// Take nothing away
    #[arg(long)]
    no_clean: bool,
    /// Leave this in the image
    #[arg(long, value_name = "WHAT", conflicts_with = "no_clean", value_parser = PossibleValuesParser::new(clean::GROUPS.iter().map(|group| group.name)))]
    keep: Vec<String>,
}

impl ContentsArguments {
    /// All of it, looked at before anything is done.
    fn read(&self) -> Result<Contents> {
        let mut profiles: Vec<String> = self
            .profile
            .iter()
            // A file in this directory; else a name of the agent's own, which it knows itself.
            .map(|name| if Path::new(name).is_file() { absolute(name.as_ref()) } else { Ok(name.clone()) })
            .collect::<Result<_>>()?;
        for file in &self.setting {
            profiles.push(absolute(file)?);
        }
        let mut copies = Vec::new();
        for asked in &self.copy {
            copies.extend(asked.copies()?);
        }
        let names = clean::GROUPS.iter().map(|group| group.name.to_owned());
        let clean = (!self.no_clean).then(|| names.filter(|name| !self.keep.contains(name)).collect());
        Ok(Contents { agent: self.agent()?, profiles, copies, keep_cloud_init: self.keep_cloud_init, clean })
    }

    fn agent(&self) -> Result<PathBuf> {
        let path = match &self.agent {
            Some(path) => path.clone(),
            None => std::env::current_exe().at("find", Path::new("this program"))?.with_file_name("firstlight"),
        };
        let program = elf::Program::of(&path).map_err(|error| {
            error.while_doing("the agent for the image").help("give the guest's static firstlight with --agent FILE")
        })?;
        if !program.is_static {
            return Err(Error::malformed(format!("{} is not static: it would not run in every image", path.display()))
                .help("give the build for a -musl target with --agent FILE"));
        }
        absolute(&path).map(PathBuf::from)
    }
}

/// The worker stands elsewhere, and its task is text.
fn absolute(path: &Path) -> Result<String> {
    let path = fs::canonicalize(path).at("find", path)?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::malformed(format!("the name {} is not UTF-8", path.display())))
}

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if self.job.is_wanted() {
            return self.job.exec(common, &self.output, self.kernel.as_deref());
        }
        if self.output.len() > 1 {
            return Err(Error::malformed("--output names one image; several are paths of a --job's guest"));
        }
        let teller = Teller::new(common.json);
        let contents = self.contents.read()?;
        let (outcome, told, line) = match (&self.root, &self.image) {
            (Some(root), _) => bake_directory(root, contents, &teller)?,
            (None, Some(image)) => self.bake_image(image, &contents, &teller)?,
            (None, None) => return Err(Error::malformed("neither IMAGE nor --root")),
        };
        if common.json {
            cli::print_json(&told)?
        } else {
            cli::print(&line)?
        };
        Ok(ExitCode::from(if outcome == Outcome::WithFindings { 2 } else { 0 }))
    }

    fn bake_image(
        &self,
        image: &Path,
        contents: &Contents,
        teller: &Teller,
    ) -> Result<(Outcome, serde_json::Value, String)> {
        let format = match self.format.as_deref() {
            Some("raw") => Some(Format::Raw),
            Some(_) => Some(Format::Qcow2),
            None => None,
        };
        let kernel = self.kernel.clone().map(|kernel| (kernel, self.modules.clone()));
        let finish = Finish {
            image,
            output: self.output.first().map(PathBuf::as_path),
            format,
            compression: self.compress,
            sums: self.sums,
            way: (self.way != "auto").then_some(self.way.as_str()),
            kernel: kernel.as_ref(),
        };
        finish.bake(contents, teller)
    }
}

fn bake_directory(root: &Path, contents: Contents, teller: &Teller) -> Result<(Outcome, serde_json::Value, String)> {
    let place = root.canonicalize().at("find the root", root)?;
    let own = fs::metadata("/").at("look at", Path::new("/"))?;
    let there = fs::metadata(&place).at("look at", &place)?;
    if (own.dev(), own.ino()) == (there.dev(), there.ino()) {
        return Err(Error::fatal(format!("{} is the root of this machine itself, not of an image", root.display()))
            .help("to put the agent on this machine run: firstlight install"));
    }
    let task = Task { place: Place::Directory(place), contents };
    let outcome = worker::run(&task, |line| teller.event("image", &format!("  {line}")))?;
    let told = json!({ "root": root, "outcome": outcome });
    Ok((outcome, told, format!("{}: the agent is in\n", root.display())))
}

/// What this program does where another `bake` started it: as the part that works in the image, or as the appliance's
/// first process.
pub fn inside(called: &OsStr) -> Option<ExitCode> {
    if called == worker::NAME {
        return Some(worker::main());
    }
    (called == "/init" && std::process::id() == 1).then(ways::init::main)
}
