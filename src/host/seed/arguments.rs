// SPDX-License-Identifier: Apache-2.0
//! The command line of `seed`, and reading what it names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::error::{Error, Result};
use crate::host::medium::{Disk, Form};
use crate::host::seed::inputs::Inputs;
use crate::host::seed::keys;
use crate::host::seed::password::{self, Hash};
use crate::host::seed::request::{Account, GuestFile, Request};
use crate::random;

/// Write the medium that a guest configures itself from: a NoCloud seed, or with --openstack a config drive
///
/// The documents are checked first, as by `firstlight check`; with an error in them nothing is written. The instance id is
/// a digest of all that is in the seed, unless it is given: the guest takes an edited seed for another instance and applies
/// it anew. The same input gives the same bytes; a password that is asked for does not, as its hash is salted anew (a hash
/// in --password-file does). What --user, --password and (without --openstack) --file ask for goes into user-data, beside
/// yours; what yours says of the same goes before it. `FILE` may be `-`, standard input, once.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Write to this file or directory, or with `-` to standard output
    #[arg(short, long, required = true, value_name = "PATH")]
    output: Option<PathBuf>,
    /// iso, vfat, tar or directory; by default as the output's name ends (.iso, .vfat, .tar, DIR/), else iso
    #[arg(long, value_name = "FORM", value_parser = clap::value_parser!(Form))]
    pub(super) format: Option<Form>,
    /// raw or qcow2, for iso and vfat; by default as the output's name ends
    #[arg(long, value_name = "FORMAT", value_parser = clap::value_parser!(Disk))]
    pub(super) disk: Option<Disk>,
    /// Write OpenStack's documents (volume `config-2`) in place of NoCloud's (`cidata`)
    #[arg(long)]
    pub(super) openstack: bool,
    /// Write although the check finds errors
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    cloud: Cloud,
}

#[derive(Subcommand)]
enum Other {
    /// Take cloud-localds' command line: `seed localds --help`, or this program called by that name
    #[command(disable_help_flag = true)]
    Localds {
        /// As for cloud-localds
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Args)]
#[command(next_help_heading = "Documents")]
struct Documents {
    /// cloud-config, a script, or any other form of user-data
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,
    /// The same from whoever runs the platform; user-data goes before it
    #[arg(long, value_name = "FILE")]
    vendor_data: Option<PathBuf>,
    /// NoCloud's meta-data or OpenStack's meta_data.json; the options below are put over it
    #[arg(long, value_name = "FILE")]
    meta_data: Option<PathBuf>,
    /// network-config, version 1 or 2; with --openstack network_data.json or interfaces(5)
    #[arg(long, value_name = "FILE")]
    network_config: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "Who the guest is")]
struct Identity {
    /// Keep this instance id (with --openstack its uuid) through every edit
    #[arg(long, value_name = "ID", value_parser = instance_id)]
    instance_id: Option<String>,
    /// The guest's host name
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    hostname: Option<String>,
    /// A property for `meta.KEY`; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = property)]
    property: Vec<(String, String)>,
    /// The content of a local file for the guest; root's, mode 0644 (with --openstack 0660). May be given again
    #[arg(long, value_name = "GUESTPATH=FILE", value_parser = guest_file)]
    file: Vec<(String, PathBuf)>,
}

#[derive(Args)]
#[command(next_help_heading = "Who may log in")]
struct Access {
    /// A file of public keys, `agent` for those of the ssh agent, or a public key as text; may be given again
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    ssh_key: Vec<String>,
    /// What the image's default user is called, in place of the image's own name for it
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// Ask for that user's password; the seed gets its hash
    #[arg(long, conflicts_with = "password_file")]
    password: bool,
    /// Take that user's password, or its hash of crypt(5), from the first line of a file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How a password is hashed
    #[arg(long, value_name = "METHOD", default_value = "sha512")]
    hash: Hash,
}

#[derive(Args)]
#[command(next_help_heading = "NoCloud's and OpenStack's own")]
struct Cloud {
    /// NoCloud: whether the guest needs its network first
    #[arg(long, value_name = "MODE", value_parser = ["local", "net"], conflicts_with = "openstack")]
    dsmode: Option<String>,
    /// OpenStack: the server's name; default: the host name
    #[arg(long, value_name = "NAME", requires = "openstack", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// OpenStack: what the key is called
    #[arg(long, value_name = "NAME", requires = "openstack", default_value = "default")]
    key_name: String,
    /// OpenStack: default `nova`
    #[arg(long, value_name = "ZONE", requires = "openstack")]
    availability_zone: Option<String>,
    /// OpenStack
    #[arg(long, value_name = "ID", requires = "openstack")]
    project_id: Option<String>,
    /// OpenStack: 512 random bytes for the guest's generator, others each time
    #[arg(long, requires = "openstack")]
    random_seed: bool,
}

/// A line of its own in a log and in `PATH: ID`, and what the guest reads: it leaves out the blanks around it.
fn instance_id(text: &str) -> std::result::Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        id if id.contains(char::is_control) => Err("it has a control character in it".to_owned()),
        id => Ok(id.to_owned()),
    }
}

fn property(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is not KEY=VALUE".to_owned()),
    }
}

fn guest_file(text: &str) -> std::result::Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((path, file)) if !path.is_empty() && !file.is_empty() => Ok((path.to_owned(), file.into())),
        _ => Err("it is not GUESTPATH=FILE: the file's path in the guest, then the file here".to_owned()),
    }
}

impl Arguments {
    pub(super) fn localds(&self) -> Option<&[OsString]> {
        self.other.as_ref().map(|Other::Localds { arguments }| arguments.as_slice())
    }

    pub(super) fn output(&self) -> Result<&Path> {
        self.output.as_deref().ok_or_else(|| Error::fatal("no --output"))
    }

    /// All that the command line names, read.
    ///
    /// # Errors
    /// As the files have it; malformed where one thing is said twice.
    pub(super) fn request(&self) -> Result<Request> {
        let mut inputs = Inputs::default();
        let Self { documents, identity, access, cloud, .. } = self;
        let mut properties = BTreeMap::new();
        for (key, value) in &identity.property {
            if properties.insert(key.clone(), value.clone()).is_some() {
                return Err(Error::malformed(format!("--property {key} is given twice")));
            }
        }
        let mut files: Vec<GuestFile> = Vec::new();
        for (path, file) in &identity.file {
            let same = |other: &GuestFile| other.path.trim_start_matches('/') == path.trim_start_matches('/');
            if files.iter().any(same) {
                return Err(Error::malformed(format!("--file {path} is given twice")));
            }
            files.push(GuestFile { path: path.clone(), content: inputs.read(file, "a file for the guest")? });
        }
        let mut lines: Vec<String> = Vec::new();
        for key in &access.ssh_key {
            let named = keys::read(key, &mut inputs)?;
            lines.extend(named.into_iter().filter(|line| !lines.contains(line)).collect::<Vec<_>>());
        }
        let user_data = inputs.document(documents.user_data.as_deref(), "user-data")?;
        let hash = match (&access.password_file, access.password) {
            (Some(file), _) => Some(password::from_file(file, access.hash, &mut inputs)?),
            (None, true) => Some(password::prompt(access.hash)?),
            (None, false) => None,
        };
        Ok(Request {
            user_data,
            vendor_data: inputs.document(documents.vendor_data.as_deref(), "vendor-data")?,
            meta_data: inputs.document(documents.meta_data.as_deref(), "meta-data")?,
            network: inputs.document(documents.network_config.as_deref(), "network-config")?,
            instance_id: identity.instance_id.clone(),
            hostname: identity.hostname.clone(),
            name: cloud.name.clone(),
            keys: lines,
            key_name: cloud.key_name.clone(),
            properties,
            files,
            account: Account { name: access.user.clone(), hash },
            dsmode: cloud.dsmode.clone(),
            availability_zone: cloud.availability_zone.clone(),
            project_id: cloud.project_id.clone(),
            random_seed: if cloud.random_seed { Some(random::bytes::<512>()?.to_vec()) } else { None },
        })
    }
}
