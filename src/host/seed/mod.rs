// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host seed`: documents, keys and files as a medium that a guest configures itself from.
//!
//! `arguments` reads what the command line names into a `request`; `nocloud` or `openstack` makes the files of it;
//! `checked` says what is wrong with them; `medium` writes them.

mod account;
mod arguments;
mod checked;
mod identity;
mod inputs;
mod keys;
pub mod localds;
mod multipart;
mod nocloud;
mod openstack;
mod output;
mod password;
mod request;
mod room;

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::{self, print, print_json};
use crate::error::{Error, Result};
use crate::host::Common;
use crate::host::medium::{self, Disk, Form};
use request::Made;

pub use arguments::Arguments;

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if let Some(localds) = self.localds() {
            return Ok(localds::of(localds, common.verbose));
        }
        let output = self.output()?;
        let to_stdout = output == Path::new("-");
        if to_stdout && common.json {
            return Err(Error::malformed("standard output can't be both the seed and --json's").help("name a file"));
        }
        let (form, disk) = output::form(output, self.format, self.disk)?;
        let request = self.request()?;
        let made = if self.openstack { openstack::make(&request) } else { nocloud::make(&request) }?;
        let problems = match room::check(&made.files, &request.files) {
            // What is so large is not read further.
            large if !large.is_empty() => large,
            _ => checked::check(made.checked.clone())?,
        };
        let errors = checked::show(&problems, common.json);
        if errors > 0 && !self.force {
            let count = if errors == 1 { "there is an error".to_owned() } else { format!("there are {errors} errors") };
            return Err(Error::malformed(format!("{count} in what the guest is to read; nothing is written"))
                .help("mend what is said above, or write it all the same with --force"));
        }
        medium::write(&made.files, made.label, form, disk, output)?;
        match (common.json, to_stdout) {
            (true, _) => print_json(&result(&made, output, form, disk, &problems)),
            (false, true) => {
                cli::tell(&made.id);
                Ok(ExitCode::SUCCESS)
            }
            (false, false) => print(&format!("{}: {}\n", output.display(), made.id)),
        }
    }
}

fn result(made: &Made, output: &Path, form: Form, disk: Disk, problems: &impl serde::Serialize) -> serde_json::Value {
    json!({
        "output": output.to_string_lossy(),
        "instance_id": made.id,
        "label": made.label,
        "form": format!("{form:?}").to_lowercase(),
        "disk": format!("{disk:?}").to_lowercase(),
        "files": made.files.files().map(|(path, bytes)| json!({ "path": path, "bytes": bytes.len() })).collect::<Vec<_>>(),
        "problems": problems,
    })
}
