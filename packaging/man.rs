// SPDX-License-Identifier: Apache-2.0
//! Writes the manual pages and shell completions from the definitions of the command line and of cloud-config's keys.
//!
//!     cargo run --example man -- DIRECTORY
//!
//! With `--features host` those of firstlight-host too.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

mod cloud_config;

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "target/packaging".into()));
    let (man, completions) = (directory.join("man"), directory.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let command = firstlight::cli::Cli::command();
    clap_mangen::generate_to(command.clone(), &man)?;
    fs::write(man.join("firstlight-cloud-config.5"), cloud_config::page())?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command.clone(), "firstlight", &completions)?;
    }
    #[cfg(feature = "host")]
    {
        let mut command = firstlight::host::Cli::command();
        clap_mangen::generate_to(command.clone(), &man)?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut command, "firstlight-host", &completions)?;
        }
    }
    println!("{}", directory.display());
    Ok(())
}
