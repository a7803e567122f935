// SPDX-License-Identifier: Apache-2.0
//! `firstlight render`: a network document in the files of a network manager, on any machine.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::cli::check::problem;
use crate::cli::{Common, USAGE, print_exact, print_json, tell};
use crate::error::{At as _, Error, Result};
use crate::finding::Findings;
use crate::guest::{Guest, Nic};
use crate::input;
use crate::network::network_config::Asked;
use crate::network::prefix::Mac;
use crate::network::render::choose::choose;
use crate::network::render::{Rendered, Renderer, render};
use crate::network::words::is_interface_name;
use crate::network::{command_line, read};
use crate::root::Root;
use crate::seed::{Document, NetworkFormat};

use crate::cli::network_format::{self, FORMATS, Format};

/// The most that one document may hold.
const LIMIT: u64 = 16 << 20;
const ALL: &str = "all";

/// Convert a network document into the files of a network manager, on any machine; change nobody's network
///
/// Each file is printed below a line `==> PATH MODE`, what the kernel is to be told as arguments of ip(8). What the
/// manager has no word for is a warning on standard error, with its place in FILE. Exit code 1 where nothing of FILE
/// can be used, 2 where an error is said of some of it.
#[derive(Args)]
pub struct Arguments {
    /// network_data.json, a network-config (version 1 or 2, netplan's too), /etc/network/interfaces, EC2's tree
    /// `network/interfaces/macs` as JSON, or a kernel command line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// What FILE is, in place of what its name, else its content, tells
    #[arg(long, value_parser = PossibleValuesParser::new(FORMATS.iter().map(|(name, _)| *name)))]
    format: Option<String>,
    /// Whose files; default: those of the manager that the guest at --root runs
    #[arg(long, value_parser = PossibleValuesParser::new(Renderer::ALL.iter().map(|one| one.name()).chain([ALL])))]
    renderer: Option<String>,
    /// Write the files below DIR, in place of those that are there; of `all`, each renderer's below DIR/RENDERER
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// An interface of the guest, once for each; default: those below --root DIR, of the running system none
    #[arg(long, value_name = "NAME=MAC[,DRIVER]", value_parser = nic)]
    nic: Vec<Nic>,
    /// For programs
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl Arguments {
    pub(in crate::cli) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if let Some(name) = twice(&self.nic) {
            tell(&format!("firstlight: `--nic` gives {name} twice\n    help: one interface has one MAC address"));
            return Ok(ExitCode::from(USAGE));
        }
        let root = Root::open(&common.root)?;
        common.log(&root, false);
        let guest = Guest::read(&root)?;
        let renderers = self.renderers(&guest)?;
        let mut findings = Findings::keeping_texts();
        let nics = if self.nic.is_empty() { guest.nics.as_deref() } else { Some(self.nic.as_slice()) };
        // Where a document is converted says nothing of the machine that it is for.
        let nics = nics.filter(|_| !self.nic.is_empty() || !root.is_live());
        let asked = self.read(nics, &mut findings)?;
        let rendered: Vec<(Renderer, Rendered)> = match &asked {
            Some(Asked::Network(config)) => {
                renderers.iter().map(|one| (*one, render(*one, config, nics, &mut findings))).collect()
            }
            _ => Vec::new(),
        };
        let code = match asked {
            None => ExitCode::FAILURE,
            Some(_) if findings.has_errors() => ExitCode::from(2),
            Some(_) => ExitCode::SUCCESS,
        };
        if self.json {
            print_json(&json!({
                "findings": problem::problems(findings),
                "disabled": matches!(asked, Some(Asked::Disabled(_))),
                "rendered": rendered.iter().map(|(renderer, rendered)| as_json(*renderer, rendered)).collect::<Vec<_>>(),
            }))?;
            return Ok(code);
        }
        report(findings);
        if let Some(Asked::Disabled(origin)) = &asked {
            print_exact(&format!("{origin}: the network is left to the image: nothing is written\n"))?;
        }
        for (renderer, rendered) in &rendered {
            match &self.output {
                Some(directory) if renderers.len() > 1 => save(&directory.join(renderer.name()), rendered)?,
                Some(directory) => save(directory, rendered)?,
                None => print_exact(&shown((renderers.len() > 1).then_some(*renderer), rendered)).map(|_| ())?,
            }
        }
        Ok(code)
    }

    fn renderers(&self, guest: &Guest) -> Result<Vec<Renderer>> {
        match self.renderer.as_deref() {
            Some(ALL) => Ok(Renderer::ALL.to_vec()),
            Some(name) => name.parse().map(|one| vec![one]).map_err(Error::fatal),
            None => choose(guest).map(|one| vec![one]).map_err(|reason| {
                Error::fatal(reason).help("`--renderer` says whose files are wanted, `--root DIR` which guest is meant")
            }),
        }
    }

    fn read(&self, nics: Option<&[Nic]>, findings: &mut Findings) -> Result<Option<Asked>> {
        let bytes = input::read(&self.network, LIMIT)?;
        let name = if self.network == Path::new("-") { "<stdin>".into() } else { self.network.to_string_lossy() };
        let document = Document::new(name, bytes);
        let given = self.format.as_deref().and_then(network_format::named);
        let name = self.network.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let told =
            given.or_else(|| network_format::by_name(name)).or_else(|| network_format::by_content(&document.bytes));
        // Its reader says what is missing.
        Ok(match told.unwrap_or(Format::Document(NetworkFormat::NetworkConfig)) {
            Format::Document(format) => {
                if let Ok(text) = std::str::from_utf8(&document.bytes) {
                    findings.read(&document.origin(), text);
                }
                read(format, &document, findings)
            }
            Format::CommandLine => {
                let text = String::from_utf8_lossy(&document.bytes);
                let asked = command_line::read_of(&document.origin(), text.trim(), nics, findings);
                if asked.is_none() && findings.is_empty() {
                    return Err(Error::malformed(format!("{} says nothing of the network", document.name)));
                }
                asked
            }
        })
    }
}

/// An interface as `--nic` names it.
fn nic(text: &str) -> Result<Nic, String> {
    let (name, rest) = text.split_once('=').ok_or("it is written NAME=MAC or NAME=MAC,DRIVER")?;
    let (mac, driver) = rest.split_once(',').unwrap_or((rest, ""));
    if !is_interface_name(name) {
        return Err(format!("`{name}` is not the name of an interface"));
    }
    let mac = mac.parse::<Mac>()?;
    Ok(Nic {
        name: name.to_owned(),
        infiniband: mac.is_infiniband(),
        mac: mac.to_string(),
        driver: driver.to_owned(),
        hardware: true,
        ..Nic::default()
    })
}

/// A name that two interfaces have: which of them a link would get is chance.
fn twice(nics: &[Nic]) -> Option<&str> {
    let mut names = BTreeSet::new();
    nics.iter().map(|nic| nic.name.as_str()).find(|name| !names.insert(*name))
}

/// On standard error, which is the place for what is not a file.
fn report(findings: Findings) {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let text: String = problem::problems(findings).iter().map(|problem| problem.shown(colour)).collect();
    // Nobody is left to tell where standard error is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn shown(renderer: Option<Renderer>, rendered: &Rendered) -> String {
    let mut text = renderer.map_or_else(String::new, |renderer| format!("=== {renderer}\n"));
    rendered.changes.iter().for_each(|change| text.push_str(&format!("{change}\n")));
    for file in &rendered.files {
        text.push_str(&format!("==> {} {:04o}\n{}\n", file.path.display(), file.mode, file.content));
    }
    text
}

fn as_json(renderer: Renderer, rendered: &Rendered) -> serde_json::Value {
    let files = rendered
        .files
        .iter()
        .map(|file| json!({ "path": file.path, "mode": format!("{:04o}", file.mode), "content": file.content }));
    json!({
        "renderer": renderer.name(),
        "files": files.collect::<Vec<_>>(),
        "changes": rendered.changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Beneath `directory` as beneath a guest's root: no link leads out of it.
fn save(directory: &Path, rendered: &Rendered) -> Result<()> {
    fs::create_dir_all(directory).at("make", directory)?;
    let root = Root::open(directory)?;
    for file in &rendered.files {
        root.write(&file.path, file.content.as_bytes(), file.mode)?;
    }
    let changes: String = rendered.changes.iter().map(|change| format!("{change}\n")).collect();
    print_exact(&changes).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_interfaces_have_one_name() {
        let nics = |names: [&str; 2]| names.map(|name| nic(&format!("{name}=fa:16:3e:00:00:01")).unwrap());
        assert_eq!((twice(&nics(["a", "b"])), twice(&nics(["a", "a"]))), (None, Some("a")));
    }

    #[test]
    fn an_interface_is_a_name_and_a_mac() {
        let seen = nic("ens3=FA:16:3E:00:00:01,virtio_net").unwrap();
        assert_eq!((seen.name.as_str(), seen.mac.as_str()), ("ens3", "fa:16:3e:00:00:01"));
        assert_eq!((seen.driver.as_str(), seen.hardware), ("virtio_net", true));
        assert_eq!(nic("ens3=fa:16:3e:00:00:01").unwrap().driver, "");
        for wrong in [
            "ens3",
            "=fa:16:3e:00:00:01",
            "a/b=fa:16:3e:00:00:01",
            "ens3=fa:16",
            "ens3\n[x]=fa:16:3e:00:00:01",
            "-a=fa:16:3e:00:00:01",
        ] {
            assert!(nic(wrong).is_err(), "{wrong}");
        }
    }
}
