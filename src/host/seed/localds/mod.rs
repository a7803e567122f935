// SPDX-License-Identifier: Apache-2.0
//! cloud-localds' command line, unchanged: what scripts call keeps its options, its file names and its exit codes.
//!
//! Three things differ. The instance id is a digest of the content where that program writes `iid-local01` each time, so
//! that an edit is applied. Names and host names with quotes in them come out as JSON. And what the check finds is said, on
//! standard error; it never stops a script that ran until now.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Parser};

use crate::cli;
use crate::error::{At as _, Error, Result};
use crate::host::medium::Tree;
use crate::host::seed::inputs::Inputs;
use crate::host::seed::request::OPTIONS;
use crate::host::seed::{checked, identity};
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};
use layout::Layout;

mod layout;

const NAME: &str = "cloud-localds";
/// What cloud-localds ends with, whatever is wrong.
const WRONG: u8 = 1;

/// Whether the program was called by that name.
pub fn is_its_name(called: &Path) -> bool {
    called.file_name().is_some_and(|name| name == NAME)
}

/// Write a NoCloud seed, by cloud-localds' options
///
/// The instance id is a digest of the content, where cloud-localds writes `iid-local01` each time: so an edited seed is
/// applied anew. To keep an id, give META_DATA. What `firstlight check` would say is said, and the seed is written all the
/// same; `firstlight-host seed` refuses it.
#[derive(Parser)]
#[command(name = NAME, infer_long_args = true, args_override_self = true)]
struct Arguments {
    /// The file to write; `-` is standard output
    output: PathBuf,
    /// `-` is standard input
    user_data: PathBuf,
    /// In place of --hostname, --interfaces and --dsmode
    meta_data: Option<OsString>,
    /// raw, qcow2, tar, tar-seed-local, tar-seed-net, or what an installed qemu-img can write
    #[arg(short, long, value_name = "D", default_value = "raw", allow_hyphen_values = true)]
    disk_format: String,
    /// iso9660 (or iso), or vfat; by default iso9660
    #[arg(short, long, value_name = "F", allow_hyphen_values = true)]
    filesystem: Option<String>,
    /// The host name in the meta-data
    #[arg(short = 'H', long, value_name = "H", allow_hyphen_values = true)]
    hostname: Option<String>,
    /// A file of network interfaces for the meta-data
    #[arg(short, long, value_name = "F", allow_hyphen_values = true)]
    interfaces: Option<OsString>,
    /// A network-config
    #[arg(short = 'N', long, value_name = "F", allow_hyphen_values = true)]
    network_config: Option<OsString>,
    /// The `dsmode` of the meta-data: local or net
    #[arg(short = 'm', long, value_name = "M", allow_hyphen_values = true)]
    dsmode: Option<String>,
    /// Vendor-data
    #[arg(short = 'V', long, value_name = "F", allow_hyphen_values = true)]
    vendor_data: Option<OsString>,
    /// Say more
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

/// Reads this program's command line and does it.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    of(&arguments, 0)
}

/// Does what these arguments say, without the program's name; `verbose` times `-v` was said already.
pub fn of(arguments: &[OsString], verbose: u8) -> ExitCode {
    let words = std::iter::once(OsStr::new(NAME)).chain(arguments.iter().map(OsString::as_os_str));
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell where standard error is closed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(WRONG) } else { ExitCode::SUCCESS };
        }
    };
    let verbose = arguments.verbose.saturating_add(verbose);
    match (Arguments { verbose, ..arguments }).exec() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::tell(&format!("{NAME}: {error}"));
            ExitCode::from(WRONG)
        }
    }
}

impl Arguments {
    fn exec(mut self) -> Result<()> {
        self.leave_out_what_is_empty();
        if self.meta_data.is_some() && (self.hostname.is_some() || self.interfaces.is_some() || self.dsmode.is_some()) {
            return Err(Error::malformed("metadata is incompatible with: --interfaces, --hostname, --dsmode"));
        }
        let layout = Layout::of(&self.disk_format, self.filesystem.as_deref())?;
        let documents = self.documents()?;
        let (meta_data, files) = documents.files()?;
        let problems = checked::check(documents.seed(meta_data))?;
        if checked::show(&problems, false) > 0 {
            cli::tell(&format!("{NAME}: warning: with errors in it, it is written all the same"));
        }
        self.write(&layout, &files)?;
        if self.verbose > 0 {
            cli::tell(&format!(
                "wrote {} with filesystem={} and diskformat={}",
                self.output.display(),
                layout.name,
                self.disk_format
            ));
        }
        Ok(())
    }

    /// An empty value is none, as for a script that always passes an option.
    fn leave_out_what_is_empty(&mut self) {
        for word in [&mut self.hostname, &mut self.dsmode, &mut self.filesystem] {
            word.take_if(|word| word.is_empty());
        }
        for path in [&mut self.meta_data, &mut self.network_config, &mut self.vendor_data] {
            path.take_if(|path| path.is_empty());
        }
    }

    fn documents(&self) -> Result<Documents> {
        let mut inputs = Inputs::default();
        // Only user-data comes from standard input; elsewhere `-` is a file of that name.
        let mut read = |path: &Option<OsString>, what| {
            let path = path.as_ref().map(|path| Path::new(if path == "-" { OsStr::new("./-") } else { path }));
            inputs.document(path, what)
        };
        Ok(Documents {
            meta_data: read(&self.meta_data, "meta-data")?,
            network: read(&self.network_config, "network-config")?,
            vendor_data: read(&self.vendor_data, "vendor-data")?,
            interfaces: read(&self.interfaces, "interfaces")?,
            user_data: inputs.document(Some(&self.user_data), "user-data")?,
            hostname: self.hostname.clone(),
            dsmode: self.dsmode.clone(),
        })
    }

    /// With the mode that `cp` would have given it: others in the script may have to read it.
    fn write(&self, layout: &Layout, files: &Tree) -> Result<()> {
        let mode = fs::metadata(&self.output).map(|old| old.permissions().mode()).unwrap_or_else(|_| 0o666 & !umask());
        layout.write(files, &self.output)?;
        if self.output == Path::new("-") {
            return Ok(());
        }
        fs::set_permissions(&self.output, Permissions::from_mode(mode)).at("set the mode of", &self.output)
    }
}

fn umask() -> u32 {
    use nix::sys::stat::{Mode, umask};
    // It can only be read by setting it; nothing else runs in this program.
    let mask = umask(Mode::from_bits_truncate(0o077));
    umask(mask);
    mask.bits()
}

/// What was read.
struct Documents {
    user_data: Option<Document>,
    meta_data: Option<Document>,
    network: Option<Document>,
    vendor_data: Option<Document>,
    interfaces: Option<Document>,
    hostname: Option<String>,
    dsmode: Option<String>,
}

impl Documents {
    /// The meta-data, and all files.
    fn files(&self) -> Result<(Document, Tree)> {
        if let Some(document) = &self.meta_data {
            return Ok((document.clone(), self.tree(document.bytes.clone())?));
        }
        let id = identity::word(&self.tree(self.made("")?.into_bytes())?);
        let made = self.made(&id)?.into_bytes();
        Ok((Document::new(OPTIONS, made.clone()), self.tree(made)?))
    }

    fn tree(&self, meta_data: Vec<u8>) -> Result<Tree> {
        let mut tree = Tree::new();
        tree.add("meta-data", meta_data)?;
        let others =
            [("user-data", &self.user_data), ("vendor-data", &self.vendor_data), ("network-config", &self.network)];
        for (name, document) in others {
            if let Some(document) = document {
                tree.add(name, document.bytes.clone())?;
            }
        }
        Ok(tree)
    }

    /// The meta-data of the options, line for line as cloud-localds writes it.
    fn made(&self, id: &str) -> Result<String> {
        let interfaces = self.interfaces.as_ref().map(|document| {
            let text = String::from_utf8_lossy(&document.bytes);
            text.strip_suffix('\n').unwrap_or(&text).to_owned()
        });
        let values = [
            ("instance-id", Some(id.to_owned())),
            ("local-hostname", self.hostname.clone()),
            ("interfaces", interfaces.filter(|text| !text.is_empty())),
            ("dsmode", self.dsmode.clone()),
        ];
        let mut lines = Vec::new();
        for (key, value) in values {
            let Some(value) = value else { continue };
            let value =
                serde_json::to_string(&value).map_err(|error| Error::fatal("cannot write meta-data").because(error))?;
            lines.push(format!("\"{key}\": {value}"));
        }
        Ok(format!("{{\n{}\n}}\n", lines.join(",\n")))
    }

    /// For the check.
    fn seed(self, meta_data: Document) -> Seed {
        Seed {
            datasource: "nocloud".to_owned(),
            place: NAME.to_owned(),
            meta_format: MetaFormat::NoCloud,
            meta_data,
            more_meta_data: Vec::new(),
            network: self.network.map(|document| (NetworkFormat::NetworkConfig, document)),
            user_data: self.user_data,
            vendor_data: self.vendor_data.into_iter().collect(),
            content: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(hostname: Option<&str>, interfaces: Option<&str>) -> Documents {
        Documents {
            user_data: Some(Document::new("u", "#!/bin/sh\n")),
            meta_data: None,
            network: None,
            vendor_data: None,
            interfaces: interfaces.map(|text| Document::new("i", text)),
            hostname: hostname.map(str::to_owned),
            dsmode: Some("local".to_owned()),
        }
    }

    #[test]
    fn the_meta_data_is_cloud_localds_own_but_for_the_id() {
        let made = documents(Some("web"), Some("auto eth0\niface eth0 inet dhcp\n")).made("iid-1").unwrap();
        let expected = "{\n\"instance-id\": \"iid-1\",\n\"local-hostname\": \"web\",\n\
            \"interfaces\": \"auto eth0\\niface eth0 inet dhcp\",\n\"dsmode\": \"local\"\n}\n";
        assert_eq!(made, expected);
        assert!(documents(Some("a\"b"), None).made("i").unwrap().contains(r#""local-hostname": "a\"b""#));
    }

    #[test]
    fn an_edit_is_another_instance() {
        let id = |documents: &Documents| String::from_utf8(documents.files().unwrap().0.bytes).unwrap();
        let first = id(&documents(None, None));
        assert_eq!(id(&documents(None, None)), first);
        let edited = Documents { user_data: Some(Document::new("u", "#!/bin/bash\n")), ..documents(None, None) };
        assert_ne!(id(&edited), first);
    }

    #[test]
    fn the_name_alone_tells() {
        assert!(is_its_name(Path::new("/usr/local/bin/cloud-localds")) && is_its_name(Path::new("cloud-localds")));
        assert!(!is_its_name(Path::new("/opt/cloud-localds/firstlight-host")));
    }
}
