// SPDX-License-Identifier: Apache-2.0
//! `firstlight install`: the program, its units and its settings into an image root, without running anything in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::apply::target::Target;
use crate::bootstrap::Bootstrap;
use crate::cli::{Common, print, tell};
use crate::config::base::{self, Settings};
use crate::error::{At as _, Error, Result};
use crate::finding::{Findings, Origin, Severity};
use crate::guest::Guest;
use crate::input;
use crate::plan::action::{Edit, Owner, Write};
use crate::plan::day::Day;
use crate::plan::expand::changes;
use crate::plan::order::Plan;
use crate::plan::overlay::Overlay;
use crate::plan::show;
use crate::plan::step::{Frequency, Stage, Step};
use crate::root::{READ_LIMIT, Root, Tree as _};
use crate::state;

/// Put the program, its units and its settings into an image root; run nothing in it
///
/// Where the settings have a block `bootstrap:`, as those of --profile vm-bootstrap have, the image also gets the files
/// of the bootstrap loop. cloud-init, where the image has it, is switched off by /etc/cloud/cloud-init.disabled. An image
/// with SELinux gets /.autorelabel, so that its first boot labels what came in. Exit code 2 where the settings have an
/// error.
#[derive(Args)]
pub struct Arguments {
    /// Settings to put into /etc/firstlight/config.d: mobiledgex, vm-bootstrap, or a file
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<String>,
    /// The program to install in place of this one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Leave cloud-init on
    #[arg(long)]
    keep_cloud_init: bool,
    /// Say what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// A file that ships with the program: its name and its content.
macro_rules! shipped {
    ($directory:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../", $directory, "/", $name)))),*]
    };
}

type Shipped = &'static [(&'static str, &'static str)];

const UNITS: Shipped = shipped!("units":
    "firstlight-local.service",
    "firstlight-online.path",
    "firstlight.path",
    "firstlight.service",
    "firstlight-final.path",
    "firstlight-final.service",
    "firstlight-bootstrap.path",
    "firstlight-bootstrap.service",
    "firstlight-late.service",
);
const PRESETS: Shipped = shipped!("units": "90-firstlight.preset");
const UDEV_RULES: Shipped = shipped!("units": "90-firstlight.rules");
const OPENRC: Shipped = shipped!("units/openrc":
    "firstlight", "firstlight-local", "firstlight-final", "firstlight-bootstrap");
const PROFILES: Shipped = shipped!("packaging/profiles": "mobiledgex.yaml", "vm-bootstrap.yaml");

/// Bytes of the program; with its symbols it is many times what is shipped.
const PROGRAM_LIMIT: u64 = 1 << 30;

/// Which runlevel an OpenRC script belongs to.
const RUNLEVELS: &[(&str, &str)] = &[
    ("firstlight-local", "boot"),
    ("firstlight", "default"),
    ("firstlight-final", "default"),
    ("firstlight-bootstrap", "default"),
];

/// Its presence has the next boot of a system with SELinux label all files; a builder's own may hold options.
const AUTORELABEL: &str = "/.autorelabel";

const SETTINGS: &str = "\
# Settings of this image; see firstlight(1). Files of config.d/ come after this one, later ones win.
# Any key of cloud-config is a default here. The `firstlight:` block is the agent's own:
#firstlight:
#  datasources: [config-drive]   # one entry: nothing else is looked for, and it is waited for
#  wait: 10s
";

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        let root = Root::open(&common.root)?;
        let guest = Guest::read(&root)?;
        let mut steps = vec![self.program()?];
        if guest.is_systemd() {
            steps.push(systemd());
        }
        if root.exists("/sbin/openrc".as_ref()) || root.exists("/usr/sbin/openrc".as_ref()) {
            steps.push(openrc());
        }
        if steps.len() == 1 {
            return Err(Error::fatal(format!("{} has neither systemd nor OpenRC", common.root.display()))
                .help("is it the root of an image?"));
        }
        let own = self.settings()?;
        let (settings, findings) = settings_with(&own, &root)?;
        steps.push(own);
        if settings.bootstrap.is_some() {
            steps.push(bootstrap(&Bootstrap::from_settings(&settings)));
        }
        if !self.keep_cloud_init && root.exists("/etc/cloud".as_ref()) {
            let why = "firstlight is installed; take this file away to switch cloud-init on again\n";
            steps.push(step("cloud-init off", |step| {
                step.write(Write::new("/etc/cloud/cloud-init.disabled", why));
            }));
        }
        let relabels = !root.is_live() && is_labelled(&root)?;
        if relabels && !root.exists(AUTORELABEL.as_ref()) {
            steps.push(step("selinux labels", |step| {
                step.write(Write::new(AUTORELABEL, ""));
            }));
        }
        findings.iter().filter(|told| told.severity > Severity::Note).for_each(|told| tell(&told.to_string()));
        let code = ExitCode::from(if findings.has_errors() { 2 } else { 0 });
        let plan = Plan { steps, ..Plan::default() };
        if self.dry_run {
            print(&show::preview(&plan, &root, Day::today()).to_string())?;
            return Ok(code);
        }
        let target = Target::new(root.clone());
        for step in &plan.steps {
            let mut made = 0;
            for action in &step.actions {
                made += target.perform(action, Day::today(), &mut |_| Ok(()))?.len();
            }
            print(&format!("{}: {made} changes\n", step.name))?;
        }
        if relabels {
            print("SELinux is on in this image: its first boot labels all files, and reboots once\n")?;
        }
        Ok(code)
    }

    fn program(&self) -> Result<Step> {
        let own = Path::new("/proc/self/exe");
        let file = self.binary.as_deref().unwrap_or(own);
        let program = input::read(file, PROGRAM_LIMIT)?;
        if !program.starts_with(b"\x7fELF") {
            return Err(Error::malformed(format!("{} is no program: it is not an ELF file", file.display()))
                .help("--binary wants the firstlight that the image is to run"));
        }
        Ok(step("program", |step| {
            step.write(Write::new("/usr/bin/firstlight", program).mode(0o755));
        }))
    }

    fn settings(&self) -> Result<Step> {
        let mut profiles = Vec::new();
        for name in &self.profile {
            let shipped = PROFILES.iter().find(|(file, _)| file.strip_suffix(".yaml") == Some(name));
            profiles.push(match shipped {
                Some((file, content)) => {
                    Profile { file: (*file).to_owned(), content: content.as_bytes().to_vec(), mode: 0o644 }
                }
                None => Profile::read(Path::new(name))?,
            });
        }
        Ok(step("settings", |step| {
            step.directory(state::SETTINGS_DIR, 0o755, Owner::Root);
            step.edit(unless_there(state::SETTINGS, SETTINGS));
            for Profile { file, content, mode } in profiles {
                let path = Path::new(state::SETTINGS_DIR).join(format!("50-{file}"));
                step.write(Write::new(path, content).mode(mode));
            }
        }))
    }
}

/// A file with this content; what the image's builder has written there is kept.
fn unless_there(path: impl Into<PathBuf>, content: impl Into<String>) -> Edit {
    let content = content.into();
    Edit::new(path, move |old| if old.is_empty() { content.clone() } else { old.to_owned() })
}

/// The settings as they are once `step` is done, as far as they are known without an instance.
fn settings_with(step: &Step, root: &Root) -> Result<(Settings, Findings)> {
    let mut tree = Overlay::new(root);
    for action in &step.actions {
        changes(action, &tree, Day::today())?.iter().try_for_each(|change| tree.apply(change))?;
    }
    let mut findings = Findings::default();
    let (settings, _) = base::load(&tree, None, &mut findings);
    Ok((settings, findings))
}

fn bootstrap(bootstrap: &Bootstrap) -> Step {
    step("bootstrap", |step| {
        for (path, content) in bootstrap.initial_files() {
            step.edit(unless_there(path, content));
        }
    })
}

/// A file of settings on its way into the image.
struct Profile {
    file: String,
    content: Vec<u8>,
    mode: u32,
}

impl Profile {
    /// A site's own. Whom its owner does not let read it, as it may hold a password, may not read it in the image either.
    fn read(path: &Path) -> Result<Self> {
        let content = input::read(path, READ_LIMIT).map_err(|error| {
            let names: Vec<&str> = PROFILES.iter().filter_map(|(file, _)| file.strip_suffix(".yaml")).collect();
            error.while_doing("the profile").help(format!("a file, or one of: {}", names.join(", ")))
        })?;
        let mode = fs::metadata(path).at("read the profile", path)?.permissions().mode() & 0o644;
        // Of config.d only what is called so is read.
        let file = path.with_extension("yaml").file_name().map(|name| name.to_string_lossy().into_owned());
        let file = file.unwrap_or_default();
        Ok(Self { file, content, mode })
    }
}

/// Whether the image's kernel will heed SELinux labels, which nothing but its own policy can give: selinux(8).
fn is_labelled(root: &Root) -> Result<bool> {
    let settings = root.read_text("/etc/selinux/config".as_ref())?.unwrap_or_default();
    let mut values = settings.lines().filter_map(|line| line.trim().strip_prefix("SELINUX="));
    Ok(values.next_back().is_some_and(|value| ["enforcing", "permissive"].contains(&value.trim())))
}

fn systemd() -> Step {
    step("systemd units", |step| {
        let units = Path::new("/usr/lib/systemd/system");
        for (name, content) in UNITS {
            step.write(Write::new(units.join(name), *content));
            for target in
                content.lines().filter_map(|line| line.strip_prefix("WantedBy=")).flat_map(str::split_whitespace)
            {
                let wants = Path::new("/etc/systemd/system").join(format!("{target}.wants"));
                step.directory(&wants, 0o755, Owner::Root).link(wants.join(name), units.join(name));
            }
        }
        PRESETS.iter().for_each(|(name, content)| {
            step.write(Write::new(Path::new("/usr/lib/systemd/system-preset").join(name), *content));
        });
        UDEV_RULES.iter().for_each(|(name, content)| {
            step.write(Write::new(Path::new("/usr/lib/udev/rules.d").join(name), *content));
        });
    })
}

fn openrc() -> Step {
    step("OpenRC scripts", |step| {
        for (name, content) in OPENRC {
            step.write(Write::new(Path::new("/etc/init.d").join(name), *content).mode(0o755));
        }
        for (name, runlevel) in RUNLEVELS {
            let link = Path::new("/etc/runlevels").join(runlevel).join(name);
            step.link(link, Path::new("/etc/init.d").join(name));
        }
    })
}

fn step(name: &str, fill: impl FnOnce(&mut Step)) -> Step {
    let mut step = Step {
        name: name.to_owned(),
        stage: Stage::Local,
        frequency: Frequency::Once,
        origin: Origin::document("firstlight install"),
        actions: Vec::new(),
    };
    fill(&mut step);
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_the_units_want_is_linked() {
        let links = systemd()
            .actions
            .iter()
            .filter(|action| matches!(action, crate::plan::action::Action::Link { .. }))
            .count();
        assert_eq!(links, 5, "the local stage and the four paths");
    }

    #[test]
    fn an_image_is_labelled_again_where_its_selinux_is_on() {
        for (settings, expected) in [
            ("# SELINUX= can be one of:\n#  enforcing\nSELINUX=enforcing\nSELINUXTYPE=targeted\n", true),
            ("SELINUX=permissive \n", true),
            ("SELINUX=disabled\n# SELINUX=enforcing\n", false),
            ("SELINUXTYPE=targeted\n", false),
        ] {
            let scratch = Scratch::new();
            scratch.file("/etc/selinux/config", settings);
            assert_eq!(is_labelled(&scratch.root()).unwrap(), expected, "{settings}");
        }
        assert!(!is_labelled(&Scratch::new().root()).unwrap());
    }

    #[test]
    fn a_profile_is_no_more_open_in_the_image_than_outside() {
        let scratch = Scratch::new();
        scratch.file("/site.yaml", "password: x");
        let path = scratch.path("/site.yaml");
        for (outside, inside) in [(0o600, 0o600), (0o640, 0o640), (0o777, 0o644)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(outside)).unwrap();
            assert_eq!(Profile::read(&path).unwrap().mode, inside);
        }
    }
}
