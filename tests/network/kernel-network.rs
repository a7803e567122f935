// SPDX-License-Identifier: Apache-2.0
//! Gives the kernel the network of a document, as a guest without a manager gets it, and prints what that took:
//! `kernel-network network-config|network_data.json`. For `tests/network/kernel`, in a network namespace of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // its panic is a verdict of the test

use std::path::Path;
use std::process::ExitCode;

use firstlight::apply::target::Target;
use firstlight::finding::Findings;
use firstlight::guest::Guest;
use firstlight::network::network_config::Asked;
use firstlight::network::render::{Renderer, render};
use firstlight::plan::action::Action;
use firstlight::plan::change::Change;
use firstlight::plan::day::Day;
use firstlight::root::Root;
use firstlight::seed::{Document, NetworkFormat};

fn main() -> ExitCode {
    let path = std::env::args().nth(1).expect("a document");
    let document = Document::new("network-config", std::fs::read(&path).expect("the document"));
    let format = if path.ends_with(".json") { NetworkFormat::OpenStack } else { NetworkFormat::NetworkConfig };
    let mut findings = Findings::default();
    let asked = firstlight::network::read(format, &document, &mut findings);
    let Some(Asked::Network(config)) = asked else { panic!("no network in {path}: {findings:?}") };
    let root = Root::open(Path::new("/")).unwrap();
    let nics = Guest::read(&root).unwrap().nics;
    let changes = render(Renderer::Kernel, &config, nics.as_deref(), &mut findings).changes;
    findings.iter().for_each(|finding| println!("{finding}"));
    match Target::new(root).perform(&Action::Interfaces(changes), Day(1), &mut |_| Ok(())) {
        Ok(changes) => changes.iter().for_each(|change| match change {
            Change::Interfaces { missing, .. } => missing.iter().for_each(|made| println!("made: {}", made.command())),
            other => println!("{other:?}"),
        }),
        Err(error) => {
            println!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
