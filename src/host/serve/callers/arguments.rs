// SPDX-License-Identifier: Apache-2.0
//! What the command line says of who asks.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::host::serve::callers::Callers;
use crate::host::serve::callers::guests::Guests;
use crate::host::serve::callers::libvirt::Libvirt;
use crate::host::serve::callers::neighbour::Neighbours;
use crate::host::serve::callers::token::{self, Tokens};

/// Who asks.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Who asks")]
#[group(id = "who")]
pub struct Arguments {
    /// Take whoever asks for the guest NAME (with `--stdio`, or for one guest alone)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["libvirt", "guests"])]
    guest: Option<String>,
    /// Ask libvirt at URI, by its `virsh`, whose network card it is; reading is enough, so nobody needs to be root for it
    #[arg(long, value_name = "URI", num_args = 0..=1, require_equals = true, default_missing_value = "qemu:///system")]
    libvirt: Option<String>,
    /// Read from FILE who is who: lines `NAME KEY...`, each key a MAC address, an IP address or a uuid; `#` begins a comment.
    /// It is read again when it changes
    #[arg(long, value_name = "FILE")]
    guests: Option<PathBuf>,
    /// Do not look up callers' MAC addresses in the kernel's neighbour table: IP addresses and tokens alone tell them apart
    #[arg(long)]
    no_neighbours: bool,
    /// Sign with the secret in FILE, 16 bytes or more, which nobody else may read (`head -c 32 /dev/urandom | base64 > FILE;
    /// chmod 600 FILE`): tokens in URLs, for what is behind /t/TOKEN/ is then for the guest that the token names; and EC2's
    /// sessions. Servers with the same secret take each other's
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// Print the beginning of the guest NAME's URLs, `/t/TOKEN`, and end
    #[arg(long, value_name = "NAME", requires = "secret")]
    token: Option<String>,
    /// Look for the data of a guest NAME at NAME.DOMAIN first
    #[arg(long, value_name = "DOMAIN", default_value = "internal")]
    domain: String,
}

impl Arguments {
    /// The secret that whatever this server signs is signed with.
    ///
    /// # Errors
    /// It can't be read or is none.
    pub fn secret(&self) -> Result<Option<Vec<u8>>> {
        self.secret.as_deref().map(token::secret).transpose()
    }

    /// The beginning of the URLs of the guest that `--token` names; that is then all that is wanted.
    ///
    /// # Errors
    /// The secret can't be read or is none; the name does not fit into a URL.
    pub fn token(&self) -> Result<Option<String>> {
        let (Some(name), Some(secret)) = (&self.token, &self.secret) else { return Ok(None) };
        Tokens::read(secret)?.token(name).map(|token| Some(format!("/t/{token}")))
    }

    /// Opens what tells guests apart. Within a tokio runtime: libvirt is followed from there until [`Callers`] is dropped.
    ///
    /// # Errors
    /// A file can't be read; there is no `virsh`.
    pub fn open(&self) -> Result<Callers> {
        Ok(Callers {
            everybody: self.guest.clone(),
            libvirt: self.libvirt.as_deref().map(Libvirt::follow).transpose()?,
            guests: self.guests.as_deref().map(Guests::read).transpose()?,
            cards: !self.no_neighbours,
            neighbours: Neighbours::default(),
            tokens: self.secret.as_deref().map(Tokens::read).transpose()?,
            domain: self.domain.trim_matches('.').to_owned(),
        })
    }
}
