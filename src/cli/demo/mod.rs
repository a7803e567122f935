// SPDX-License-Identifier: Apache-2.0
//! `firstlight demo`: the whole road on a built-in seed, in a scratch root, without privileges.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::boot::{self, Options};
use crate::bootstrap::Bootstrap;
use crate::cli::print;
use crate::error::{At, Result};
use crate::http::serve::Server;
use crate::plan::step::Stage;
use crate::report;
use crate::root::Root;

/// The whole road on a built-in config drive, in a scratch directory, without privileges
#[derive(Args)]
pub struct Arguments {
    /// The scratch directory to make; it is kept, so that you can look at it [default: a new one in /tmp]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// The config drive, as `openstack server create --config-drive true` would make it.
const DRIVE: &[(&str, &str)] = &[
    ("openstack/latest/meta_data.json", include_str!("meta_data.json")),
    ("openstack/latest/network_data.json", include_str!("network_data.json")),
    ("openstack/latest/user_data", include_str!("user_data")),
    ("openstack/content/0000", "proxy = edge\n"),
];

/// A guest, as far as the agent looks at it: Debian with systemd-networkd and one network interface.
const GUEST: &[(&str, &str)] = &[
    ("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
    ("etc/hostname", "localhost\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ("etc/group", "root:x:0:\nadm:x:4:\n"),
    ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
    ("etc/skel/.profile", "umask 027\n"),
    ("etc/motd", "Welcome.\n"),
    ("etc/systemd/system/multi-user.target.wants/systemd-networkd.service", ""),
    ("usr/lib/systemd/systemd", ""),
    ("usr/lib/systemd/systemd-networkd", ""),
    ("usr/share/zoneinfo/Europe/Lisbon", "TZif2"),
    ("sys/class/net/ens3/address", "fa:16:3e:01:02:03\n"),
    ("root/bootstrap/start-bootstrap", ""),
    ("etc/firstlight/config.yaml", SETTINGS),
];

const SETTINGS: &str = "\
## template: jinja
firstlight:
  hostname_from: name
  network:
    gateway: \"{{ meta.edgeproxy }}\"
    routes: [{to: \"{{ meta.privatenet }}\", via: \"{{ meta.privaterouter }}\"}]
";

impl Arguments {
    pub(in crate::cli) fn exec(&self) -> Result<ExitCode> {
        let scratch = match &self.directory {
            Some(directory) => directory.clone(),
            None => std::env::temp_dir().join(format!("firstlight-demo-{}", std::process::id())),
        };
        let help = "name a new directory, in a place where you may write: --directory DIR";
        fs::create_dir(&scratch).at("make", &scratch).map_err(|error| error.help(help))?;
        let (drive, guest) = (scratch.join("drive"), scratch.join("guest"));
        fill(&drive, DRIVE)?;
        fill(&guest, GUEST)?;
        let options =
            Options { root: Root::open(&guest)?, source: Some(drive.to_string_lossy().into_owned()), config: None };
        let arguments = format!("--source {} --root {}", drive.display(), guest.display());

        heading(&format!("firstlight plan {arguments}"))?;
        if let Ok(decision) = boot::decide(&options)? {
            decision.findings.iter().try_for_each(|finding| print(&format!("{finding}\n")).map(|_| ()))?;
            print(&boot::preview(&options, &decision).to_string())?;
        }

        heading(&format!("firstlight run {arguments}"))?;
        let status = boot::run(&options, &Stage::ALL)?;
        for line in status.summary() {
            print(&format!("{line}\n"))?;
        }

        heading(&format!("firstlight run {arguments}    (again)"))?;
        if let Ok(decision) = boot::decide(&options)? {
            print(&boot::preview(&options, &decision).to_string())?;
        }

        heading(&format!("firstlight bootstrap --root {}", guest.display()))?;
        let script = ("/vm-bootstrap".to_owned(), include_bytes!("vm-bootstrap").to_vec());
        let server = Server::start(BTreeMap::from([script]))?;
        let bootstrap = Bootstrap {
            url: server.url("/vm-bootstrap"),
            interval: Duration::from_millis(100),
            ..Bootstrap::default()
        };
        let conclusion = bootstrap.run(&options.root, false)?;
        print(&fs::read_to_string(guest.join("var/log/vm-bootstrap.log")).unwrap_or_default())?;
        print(&format!("{conclusion}\n"))?;

        heading("what is there now")?;
        print(&tree(&guest, Path::new(""))?)?;
        heading("where to look next")?;
        print(&format!(
            "{program} status --long --root {guest}\n{program} query meta.edgeproxy --root {guest}\n\
             {program} check {drive}/openstack/latest/user_data\ncat {guest}/run/firstlight/metadata\n\
             rm -r {scratch}    when you have seen enough\n",
            program = program(),
            guest = guest.display(),
            drive = drive.display(),
            scratch = scratch.display()
        ))?;
        let failed = report::status(&options.root)?.error.is_some() || conclusion.is_failure();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// This program as it was called, so that a line can be copied: it may be in no directory of `PATH`.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "firstlight".to_owned())
}

fn heading(text: &str) -> Result<()> {
    print(&format!("\n== {text}\n")).map(|_| ())
}

fn fill(directory: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, content) in files {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).at("make", parent)?;
        }
        fs::write(&path, content).at("write", &path)?;
    }
    Ok(())
}

/// Every file below `directory`, sorted, without the machine's own facts.
fn tree(directory: &Path, below: &Path) -> Result<String> {
    let here = directory.join(below);
    let mut names: Vec<_> = fs::read_dir(&here).at("list", &here)?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let mut text = String::new();
    for name in names {
        let path = below.join(&name);
        let place = directory.join(&path);
        if ["sys", "usr"].iter().any(|facts| path == Path::new(facts)) {
            continue;
        }
        text.push_str(&match fs::read_link(&place) {
            Ok(target) => format!("/{} -> {}\n", path.display(), target.display()),
            Err(_) if place.is_dir() => tree(directory, &path)?,
            Err(_) => format!("/{}\n", path.display()),
        });
    }
    Ok(text)
}
