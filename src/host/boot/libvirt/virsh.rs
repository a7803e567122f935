// SPDX-License-Identifier: Apache-2.0
//! libvirt by its own shell: a domain that is started, looked at, and gone with this program.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::super::follow::End;
use crate::error::{At as _, Error, Result};
use crate::host::interrupt;
use crate::host::programs;
use crate::program;
use crate::report::line::one_line;

const PATIENCE: Duration = Duration::from_secs(60);
const SAID: usize = 4 << 20;
/// By these a user's own libvirt is found.
const KEPT: [&str; 4] = ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"];

/// The shell, with its connection.
pub struct Virsh {
    program: PathBuf,
    uri: String,
}

/// A domain that runs.
pub struct Domain<'a> {
    virsh: &'a Virsh,
    name: String,
    /// Holds the connection on which the domain's life hangs; none where it is to stay.
    holder: Option<Child>,
}

impl Virsh {
    /// # Errors
    /// Absent: there is no virsh. Malformed: the URI leads to another machine, which has not our overlay.
    pub fn new(uri: &str) -> Result<Self> {
        if !uri.contains(":///") {
            return Err(Error::malformed(format!("{uri} is not of this machine"))
                .help("the overlay is here: name qemu:///system or qemu:///session"));
        }
        Ok(Self { program: programs::virsh()?, uri: uri.to_owned() })
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let program = self.program.to_string_lossy();
        let kept = KEPT.iter().filter_map(|name| Some(format!("{name}={}", env::var(name).ok()?)));
        let all: Vec<String> = kept.chain([&program, "-q", "-c", &self.uri].map(str::to_owned)).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let answer = program::ask(&programs::find("env", "coreutils")?, &all, SAID, PATIENCE)?;
        if !answer.success {
            return Err(self.refuses(&answer.complaint));
        }
        Ok(String::from_utf8_lossy(&answer.output).into_owned())
    }

    fn refuses(&self, complaint: &str) -> Error {
        let why = one_line(&complaint.replace("error: ", ""));
        Error::fatal(format!("libvirt ({}) refuses: {why}", self.uri))
    }

    /// Starts the domain of that description.
    pub fn start(&self, name: &str, description: &Path, keep: bool) -> Result<Domain<'_>> {
        // Another one of that name is not ours to end.
        if self.ask(&["domstate", "--domain", name]).is_ok() {
            return Err(Error::fatal(format!("libvirt has a domain {name} already")).help("rename one of them"));
        }
        let path = description.to_string_lossy();
        if keep {
            self.ask(&["define", "--validate", &path])?;
            let domain = Domain { virsh: self, name: name.to_owned(), holder: None };
            return match self.ask(&["start", name]) {
                Ok(_) => Ok(domain),
                Err(error) => {
                    let _ = self.ask(&["undefine", "--nvram", name]);
                    Err(error)
                }
            };
        }
        let complaints = description.with_extension("log");
        let holder = self.hold(&path, &complaints)?;
        let domain = Domain { virsh: self, name: name.to_owned(), holder: Some(holder) };
        domain.wait(&complaints)?;
        Ok(domain)
    }

    /// A shell that creates the domain, and with whose end libvirt destroys it: it ends with our end of its input.
    fn hold(&self, description: &str, complaints: &Path) -> Result<Child> {
        let cannot = |error| Error::fatal("cannot run virsh").because(error);
        let complaints = File::create(complaints).at("write", complaints)?;
        let mut holder = Command::new(&self.program)
            .args(["-q", "-c", &self.uri])
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaints)
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let commands = format!("create --autodestroy --validate '{description}'\n");
        if let Some(input) = &mut holder.stdin {
            input.write_all(commands.as_bytes()).map_err(cannot)?;
        }
        Ok(holder)
    }
}

impl Domain<'_> {
    fn wait(&self, complaints: &Path) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.virsh.ask(&["domstate", &self.name]);
            if state.as_ref().is_ok_and(|state| state.trim() == "running") {
                return Ok(());
            }
            let complaint = fs::read_to_string(complaints).unwrap_or_default();
            if !complaint.trim().is_empty() {
                return Err(self.virsh.refuses(&complaint));
            }
            if Instant::now() > deadline {
                return state.and(Err(Error::fatal("libvirt has not started the domain in time")));
            }
            interrupt::check()?;
            sleep(Duration::from_millis(300));
        }
    }

    /// The socket of a channel, where libvirt has put it.
    pub fn channel(&self, name: &str) -> Result<PathBuf> {
        let text = self.virsh.ask(&["dumpxml", &self.name])?;
        channel(&text, name).ok_or_else(|| Error::fatal(format!("libvirt gives the domain no channel {name}")))
    }

    /// How it ended, where it did.
    pub fn end(&self) -> Result<Option<End>> {
        let Ok(state) = self.virsh.ask(&["domstate", "--reason", &self.name]) else {
            // A domain that was only created is forgotten when it ends.
            return Ok(Some(End::SwitchedOff));
        };
        Ok(match state.trim() {
            state if state.contains("crashed") || state.contains("panicked") => {
                Some(End::Panicked("its kernel told the pvpanic device".to_owned()))
            }
            state if state.starts_with("shut off") => Some(End::SwitchedOff),
            state if state.contains("I/O error") => Some(End::Stopped(state.to_owned())),
            _ => None,
        })
    }
}

impl Drop for Domain<'_> {
    fn drop(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            let _ = self.virsh.ask(&["destroy", &self.name]);
            drop(holder.stdin.take());
            let _ = holder.wait();
        }
    }
}

/// The path in `<channel><source path=…/><target name=NAME/></channel>`.
fn channel(text: &str, name: &str) -> Option<PathBuf> {
    let attribute = |element: &BytesStart, key: &str| {
        let found = element.try_get_attribute(key).ok()??;
        Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
    };
    let (mut reader, mut path) = (Reader::from_str(text), None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) if element.name().as_ref() == "channel" => path = None,
            Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                "source" => path = attribute(&element, "path"),
                "target" if attribute(&element, "name").as_deref() == Some(name) => return path.map(PathBuf::from),
                _ => {}
            },
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_socket_is_found_by_its_name() {
        let text = "<domain><devices><disk><source path='/d'/><target dev='vda'/></disk>\
            <channel type='unix'><source mode='bind' path='/a'/><target type='virtio' name='other'/></channel>\
            <channel type='unix'><source mode='bind' path='/b'/><target type='virtio' name='one'/></channel></devices></domain>";
        assert_eq!(channel(text, "one"), Some(PathBuf::from("/b")));
        assert_eq!(channel(text, "none"), None);
        assert_eq!(channel("<domain>", "one"), None);
    }

    #[test]
    fn another_machines_libvirt_is_refused() {
        assert!(Virsh::new("qemu+ssh://host/system").err().unwrap().to_string().contains("not of this machine"));
    }
}
