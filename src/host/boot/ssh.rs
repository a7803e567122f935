// SPDX-License-Identifier: Apache-2.0
//! A way into the guest: a key made for this boot, a port of this machine's loopback, and ssh.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{At as _, Error, Result};
use crate::host::interrupt;
use crate::host::programs::find;
use crate::host::qemu::Network;
use crate::host::scratch::Scratch;
use crate::program;

const PATIENCE: Duration = Duration::from_secs(30);
/// How long sshd may take to come up after the agent's report.
const SERVER: Duration = Duration::from_secs(60);

/// What ssh needs.
pub struct Access {
    port: u16,
    key: PathBuf,
    /// The line for the guest's authorized_keys.
    pub public_key: String,
}

/// Makes the key, and finds a port.
///
/// # Errors
/// Absent: there is no ssh here. Fatal: no port is free.
pub fn prepare(scratch: &Scratch) -> Result<Access> {
    find("ssh", "openssh-client")?;
    let keygen = find("ssh-keygen", "openssh-client")?;
    let key = scratch.path().join("key");
    let path = key.to_str().ok_or_else(|| Error::malformed(format!("{} is not UTF-8", key.display())))?;
    let made = program::ask(&keygen, &["-q", "-t", "ed25519", "-N", "", "-C", "boot", "-f", path], 4096, PATIENCE)?;
    if !made.success {
        return Err(Error::fatal(format!("ssh-keygen makes no key: {}", made.complaint.trim())));
    }
    let public = key.with_extension("pub");
    let public_key = fs::read_to_string(&public).at("read", &public)?.trim().to_owned();
    // Free until QEMU takes it; where another program is faster QEMU says so.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port =
        listener.and_then(|it| it.local_addr()).map_err(|error| Error::fatal("no port is free").because(error))?;
    Ok(Access { port: port.port(), key, public_key })
}

impl Access {
    /// Leads the port to the guest's sshd; works on a card that leads nowhere else too.
    pub fn forward(&self, networks: &mut [Network]) -> Result<()> {
        let card = networks.first_mut().filter(|card| card.netdev.starts_with("user")).ok_or_else(|| {
            Error::malformed("--ssh needs a card of QEMU's own network").help("--network restricted or user")
        })?;
        card.netdev += &format!(",hostfwd=tcp:127.0.0.1:{}-:22", self.port);
        Ok(())
    }

    /// The command that a person can run.
    pub fn command_line(&self, user: &str) -> String {
        format!("ssh {} {user}@127.0.0.1", self.options().join(" "))
    }

    fn options(&self) -> Vec<String> {
        let key = self.key.display();
        // The guest's host key is new in each boot, and its place in known_hosts would be another's.
        ["-i", &key.to_string(), "-p", &self.port.to_string(), "-o", "IdentitiesOnly=yes"]
            .into_iter()
            .chain(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .map(str::to_owned)
            .collect()
    }

    /// Waits for sshd, then runs ssh until the person leaves.
    ///
    /// # Errors
    /// Fatal: no sshd answers.
    pub fn connect(&self, user: &str) -> Result<()> {
        let deadline = Instant::now() + SERVER;
        while !answers(self.port) {
            interrupt::check()?;
            if Instant::now() > deadline {
                return Err(Error::fatal(format!("no sshd answers in the guest within {} s", SERVER.as_secs()))
                    .help("is it in the image, and enabled?"));
            }
            sleep(Duration::from_millis(300));
        }
        let ssh = find("ssh", "openssh-client")?;
        let mut command = Command::new(&ssh);
        command.args(self.options()).arg(format!("{user}@127.0.0.1"));
        let mut child = command.spawn().map_err(|error| cannot(&ssh, error))?;
        child.wait().map_err(|error| cannot(&ssh, error)).map(drop)
    }
}

fn cannot(program: &Path, error: std::io::Error) -> Error {
    Error::fatal(format!("cannot run {}", program.display())).because(error)
}

/// QEMU takes connections before the guest does; only sshd's own first bytes tell.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let mut banner = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.read_exact(&mut banner).is_ok()
        && &banner == b"SSH-"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_qemus_own_network_is_forwarded() {
        let access = Access { port: 2200, key: "/k".into(), public_key: String::new() };
        let card = |netdev: &str| vec![Network { netdev: netdev.to_owned(), mac: None }];
        let mut cards = card("user,restrict=on");
        access.forward(&mut cards).unwrap();
        assert_eq!(cards[0].netdev, "user,restrict=on,hostfwd=tcp:127.0.0.1:2200-:22");
        assert!(access.forward(&mut card("bridge,br=br0")).is_err());
        assert!(access.forward(&mut []).is_err());
    }

    #[test]
    fn a_port_that_says_nothing_of_ssh_does_not_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            for word in ["HTTP", "SSH-2.0-x\r\n"] {
                std::io::Write::write_all(&mut listener.accept().unwrap().0, word.as_bytes()).unwrap();
            }
        });
        assert!(!answers(port));
        assert!(answers(port));
        server.join().unwrap();
    }
}
