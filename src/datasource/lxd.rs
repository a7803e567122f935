// SPDX-License-Identifier: Apache-2.0
//! LXD and Incus: the instance's documents at a socket in the guest, by the devlxd API 1.0.
//!
//! As cloud-init's `DataSourceLXD`: keys `cloud-init.*` go before `user.*`. What a person appends to the meta-data
//! (`user.meta-data`) is in the host's own answer. In a container the socket is always there; in a virtual machine the
//! agent makes it, which is started beside us and needs no network.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::datasource::documents::{DOCUMENT_LIMIT, FILE_LIMIT, left_out, says_something};
use crate::datasource::drives::NOT_LIVE;
use crate::datasource::{Certainty, Context, Datasource, Fetched, Probe, Service, asked_for};
use crate::error::{Error, Result};
use crate::finding::{Finding, Findings, Origin};
use crate::guest::Guest;
use crate::http::{self, Client};
use crate::json;
use crate::root::Root;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

/// The datasource's name.
pub const NAME: &str = "lxd";

const SOCKETS: [&str; 2] = ["/dev/lxd/sock", "/dev/incus/sock"];
/// By which the host speaks with the agent in a virtual machine; a port's file `name` has its own.
const PORTS: &str = "/sys/class/virtio-ports";
const PORT_NAMES: [&str; 3] = ["com.canonical.lxd", "org.linuxcontainers.lxd", "org.linuxcontainers.incus"];
/// DMI's board of a virtual machine.
const BOARDS: [&str; 2] = ["LXD", "Incus"];
/// The services that make the socket in a virtual machine.
const AGENTS: [&str; 2] = ["lxd-agent", "incus-agent"];

/// The server speaks for itself through the socket; the name is for messages.
const SERVER: &str = "http://lxd";
/// For all questions: the host's daemon may be starting again.
const PATIENCE: Duration = Duration::from_secs(30);
/// For one of them.
const TIMEOUT: Duration = Duration::from_secs(5);

fn socket(root: &Root) -> Option<(&'static str, PathBuf)> {
    let outside = |path: &'static str| Some((path, root.outside(Path::new(path)).ok()?));
    let is_socket = |path: &Path| std::fs::metadata(path).is_ok_and(|it| it.file_type().is_socket());
    SOCKETS.into_iter().filter_map(outside).find(|(_, path)| is_socket(path))
}

fn probe(context: &Context) -> Probe {
    // What is beneath an image may be the socket of the machine where it is built.
    match context.root.is_machine() {
        true => look(context.root, context.guest),
        false => Probe { certainty: Certainty::Unlikely, reason: NOT_LIVE.to_owned() },
    }
}

fn look(root: &Root, guest: &Guest) -> Probe {
    let is_asked_for = asked_for(guest, &["lxd", "incus"]);
    if let Some((path, _)) = socket(root) {
        let certainty = if is_asked_for.is_some() { Certainty::Asked } else { Certainty::Here };
        return Probe { certainty, reason: format!("the socket {path}") };
    }
    let nothing = format!("no socket {}", SOCKETS.join(" or "));
    let (certainty, why) = match (is_asked_for, machine(guest), agent(guest)) {
        (Some(word), ..) => (Certainty::Expected, format!("but {word}")),
        (_, Some(machine), Some(agent)) => (Certainty::Expected, format!("but {machine}, and {agent} makes it")),
        (_, Some(machine), None) => {
            (Certainty::Unlikely, format!("{machine}, and there is no agent that would make it: {}", AGENTS.join(", ")))
        }
        (_, None, _) => (Certainty::Unlikely, "and neither DMI nor a virtio port speaks of LXD or Incus".to_owned()),
    };
    Probe { certainty, reason: format!("{nothing}; {why}") }
}

/// By what this is a virtual machine of LXD or Incus.
fn machine(guest: &Guest) -> Option<String> {
    if BOARDS.contains(&guest.dmi.board_name.as_str()) {
        return Some(format!("DMI's board is {}", guest.dmi.board_name));
    }
    let name = |port: String| guest.read_text(&format!("{PORTS}/{port}/name"));
    let ports = guest.list(PORTS).into_iter().filter_map(name);
    let port = ports.into_iter().find(|name| PORT_NAMES.contains(&name.trim()))?;
    Some(format!("there is the virtio port {}", port.trim()))
}

/// The agent's service, where it is installed.
fn agent(guest: &Guest) -> Option<&'static str> {
    let units = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
    let is_there = |name: &&str| {
        units.iter().any(|units| guest.exists(&format!("{units}/{name}.service")))
            || guest.exists(&format!("/etc/init.d/{name}"))
    };
    AGENTS.into_iter().find(is_there)
}

fn fetch(context: &Context, _: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    if !context.root.is_machine() {
        return Err(Error::absent(NOT_LIVE));
    }
    // A known instance has what it needs; and nobody need be there in the copy of a machine.
    let is_known = context.kept.as_ref().is_some_and(|kept| kept.datasource == NAME);
    let patience = if is_known || !context.root.is_live() { TIMEOUT } else { PATIENCE };
    let seed = ask(context.root, patience, findings)?;
    Ok(Fetched { seed, drive: None })
}

fn ask(root: &Root, patience: Duration, findings: &mut Findings) -> Result<Seed> {
    let (path, outside) = socket(root).ok_or_else(|| Error::absent(format!("no {}", SOCKETS.join(" or "))))?;
    let api = Api { client: Client::socket(outside), deadline: Instant::now() + patience };
    api.seed(path, findings).map_err(|error| match error.is_transient() {
        // It is on no other way either.
        true => Error::fatal(format!("{path}: {}", error.without_advice())),
        false => error.while_doing(path),
    })
}

/// The questions and their one deadline.
struct Api {
    client: Client,
    deadline: Instant,
}

impl Api {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let url = format!("{SERVER}/1.0/{path}");
        // A run that is told to end here is ended at once: nothing has been changed yet.
        let sleep = |pause| {
            thread::sleep(pause);
            false
        };
        let ask = || self.client.get(&url, limit, self.deadline.min(Instant::now() + TIMEOUT));
        Ok(http::retry(u32::MAX, self.deadline, sleep, ask)?.body)
    }

    fn seed(&self, place: &str, findings: &mut Findings) -> Result<Seed> {
        let meta_data = Document::new("meta-data", self.get("meta-data", DOCUMENT_LIMIT)?);
        let keys = self.keys(findings)?;
        let network = self.document(&keys, "network-config", DOCUMENT_LIMIT, findings)?.filter(says_something);
        let vendor_data = self.document(&keys, "vendor-data", FILE_LIMIT, findings)?.filter(says_something);
        let user_data = self.document(&keys, "user-data", FILE_LIMIT, findings)?;
        Ok(Seed {
            datasource: NAME.to_owned(),
            place: place.to_owned(),
            meta_format: MetaFormat::NoCloud,
            meta_data,
            more_meta_data: Vec::new(),
            network: network.map(|document| (NetworkFormat::NetworkConfig, document)),
            user_data: user_data.filter(|document| !document.bytes.is_empty()),
            vendor_data: vendor_data.into_iter().collect(),
            content: Default::default(),
        })
    }

    /// The keys that this instance has, by a list of their paths: `/1.0/config/user.user-data`.
    fn keys(&self, findings: &mut Findings) -> Result<Vec<String>> {
        let paths = match self.get("config", DOCUMENT_LIMIT) {
            Err(error) if error.is_absent() => return Ok(Vec::new()),
            paths => json::parse(&paths?, &Origin::document("config"), findings)?,
        };
        let key = |path: &Value| path.as_str()?.rsplit('/').next().map(str::to_owned);
        Ok(paths.as_array().into_iter().flatten().filter_map(key).collect())
    }

    /// One document, asked for by the first of its keys that is there. One that can't be had for good costs only itself.
    fn document(&self, keys: &[String], name: &str, limit: u64, findings: &mut Findings) -> Result<Option<Document>> {
        let named = ["cloud-init", "user"].map(|space| format!("{space}.{name}"));
        let mut there = named.iter().filter(|key| keys.contains(key));
        let Some(key) = there.next() else { return Ok(None) };
        if let Some(other) = there.next() {
            let text = format!("`{key}` is set too and goes before it");
            findings.push(Finding::note(&Origin::document(other.as_str()), text).help("unset one of the two"));
        }
        match self.get(&format!("config/{key}"), limit) {
            Ok(bytes) => Ok(Some(Document::new(key, bytes))),
            Err(error) if error.is_transient() => Err(error),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => {
                findings.push(left_out(key, error));
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::error::Kind;
    use crate::instance::Instance;
    use crate::scratch::Scratch;

    /// A path and its document.
    type Answer = (&'static str, &'static str);

    /// A host that has these paths below `/1.0/`, and what it was asked for. An answer that begins with `!` is a status.
    fn host(scratch: &Scratch, socket: &str, answers: &[Answer]) -> Receiver<String> {
        std::fs::create_dir_all(scratch.path(socket).parent().unwrap()).unwrap();
        let listener = UnixListener::bind(scratch.path(socket)).unwrap();
        let (asked, requests) = channel();
        let answers = answers.to_vec();
        thread::spawn(move || {
            for mut peer in listener.incoming().map_while(Result::ok) {
                let lines = BufReader::new(peer.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let path = head[0].split(' ').nth(1).unwrap().strip_prefix("/1.0/").unwrap().to_owned();
                let answer = answers.iter().find(|(known, _)| *known == path).map_or("!404 Not Found", |it| it.1);
                let (status, body) = answer.strip_prefix('!').map_or(("200 OK", answer), |status| (status, ""));
                let length = body.len();
                let _ = asked.send(path);
                let _ =
                    write!(peer, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            }
        });
        requests
    }

    /// What is fetched from such a host, with what is said and what it was asked for.
    fn fetched(answers: &[Answer]) -> (Result<Seed>, Vec<String>, Vec<String>) {
        let scratch = Scratch::new();
        let requests = host(&scratch, SOCKETS[0], answers);
        let mut findings = Findings::default();
        let seed = ask(&scratch.root(), PATIENCE, &mut findings);
        (seed, findings.iter().map(ToString::to_string).collect(), requests.try_iter().collect())
    }

    const META: (&str, &str) = ("meta-data", "#cloud-config\ninstance-id: i-1\nlocal-hostname: web\nrack: r7\n");

    fn text(document: Option<&Document>) -> (&str, &str) {
        document.map_or(("", ""), |document| (&document.name, std::str::from_utf8(&document.bytes).unwrap()))
    }

    #[test]
    fn the_newer_keys_go_before_the_older_and_what_is_not_there_is_not_asked_for() {
        let (seed, findings, requests) = fetched(&[
            META,
            (
                "config",
                r#"["/1.0/config/user.user-data", "/1.0/config/cloud-init.user-data", "/1.0/config/user.x",
                "/1.0/config/user.vendor-data"]"#,
            ),
            ("config/cloud-init.user-data", "#!/bin/new"),
            ("config/user.user-data", "#!/bin/old"),
            ("config/user.vendor-data", "#!/bin/vendor"),
        ]);
        let seed = seed.unwrap();
        let who = Instance::from_seed(&seed, &mut Findings::default()).unwrap();
        assert_eq!((who.id.as_str(), who.hostname.unwrap().as_str()), ("i-1", "web"));
        assert_eq!(text(seed.user_data.as_ref()), ("cloud-init.user-data", "#!/bin/new"));
        assert_eq!(text(seed.vendor_data.first()), ("user.vendor-data", "#!/bin/vendor"));
        assert!(seed.network.is_none() && seed.place == "/dev/lxd/sock");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("user.user-data: note: `cloud-init.user-data` is set too"), "{findings:?}");
        assert_eq!(requests, ["meta-data", "config", "config/user.vendor-data", "config/cloud-init.user-data"]);
    }

    #[test]
    fn what_the_user_appends_to_the_meta_data_counts() {
        let (seed, findings, _) = fetched(&[
            ("meta-data", "instance-id: i-1\nlocal-hostname: web\nlocal-hostname: other\nmeta: {role: db}\n"),
            ("config", r#"["/1.0/config/cloud-init.network-config"]"#),
            ("config/cloud-init.network-config", "version: 2\n"),
        ]);
        let seed = seed.unwrap();
        let who = Instance::from_seed(&seed, &mut Findings::default()).unwrap();
        assert_eq!((who.hostname.unwrap().as_str(), who.properties["role"].as_str()), ("other", "db"));
        let (format, network) = seed.network.unwrap();
        assert_eq!((format, text(Some(&network)).1), (NetworkFormat::NetworkConfig, "version: 2\n"));
        assert_eq!(findings, [""; 0]);
    }

    #[test]
    fn a_host_that_says_little_or_refuses() {
        let (seed, findings, requests) = fetched(&[META]);
        assert!(seed.is_ok_and(|seed| seed.user_data.is_none()) && findings.is_empty());
        assert_eq!(requests, ["meta-data", "config"], "404 is an answer");
        let (seed, ..) = fetched(&[]);
        assert!(seed.unwrap_err().is_absent());
        let (seed, ..) = fetched(&[("meta-data", "!403 Forbidden")]);
        let error = seed.unwrap_err().to_string();
        assert!(error.starts_with("/dev/lxd/sock: cannot fetch http://lxd/1.0/meta-data: the server answered 403"));
        let (seed, ..) = fetched(&[META, ("config", "no list")]);
        assert!(seed.unwrap_err().to_string().starts_with("/dev/lxd/sock: config:1:"));
        let dead = Scratch::new();
        std::fs::create_dir_all(dead.path("/dev/lxd")).unwrap();
        drop(UnixListener::bind(dead.path(SOCKETS[0])).unwrap());
        let error = ask(&dead.root(), Duration::from_millis(300), &mut Findings::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Fatal, "{error}: no other way leads there");
        let keys = ("config", r#"["/1.0/config/user.user-data", "/1.0/config/user.vendor-data", 7]"#);
        let (seed, findings, _) =
            fetched(&[META, keys, ("config/user.vendor-data", "!403 Forbidden"), ("config/user.user-data", "x")]);
        assert_eq!(text(seed.unwrap().user_data.as_ref()).1, "x");
        assert!(findings[0].starts_with("user.vendor-data: error: left out: cannot fetch "), "{findings:?}");
    }

    #[test]
    fn the_agent_of_a_virtual_machine_is_waited_for_where_there_is_one() {
        let look = |files: &[(&str, &str)], socket: Option<&str>| {
            let scratch = Scratch::new();
            files.iter().for_each(|(path, text)| scratch.file(path, text));
            let _host = socket.map(|socket| host(&scratch, socket, &[]));
            let probe = look(&scratch.root(), &Guest::read(&scratch.root()).unwrap());
            (probe.certainty, probe.reason)
        };
        let board = ("/sys/class/dmi/id/board_name", "Incus\n");
        let port = ("/sys/class/virtio-ports/vport1p1/name", "com.canonical.lxd\n");
        let agent = ("/usr/lib/systemd/system/lxd-agent.service", "");
        let line = ("/proc/cmdline", "ro ds=lxd");
        for (files, socket, certainty, reason) in [
            (&[][..], Some(SOCKETS[1]), Certainty::Here, "the socket /dev/incus/sock"),
            (&[line], Some(SOCKETS[0]), Certainty::Asked, "the socket /dev/lxd/sock"),
            (
                &[port, agent],
                None,
                Certainty::Expected,
                "but there is the virtio port com.canonical.lxd, and lxd-agent",
            ),
            (&[board, agent], None, Certainty::Expected, "but DMI's board is Incus, and lxd-agent makes it"),
            (&[board], None, Certainty::Unlikely, "no agent that would make it: lxd-agent, incus-agent"),
            (&[line], None, Certainty::Expected, "says `ds=lxd`"),
            (&[agent, ("/dev/lxd/sock", "")], None, Certainty::Unlikely, "neither DMI nor a virtio port"),
        ] {
            let (seen, why) = look(files, socket);
            assert!(seen == certainty && why.contains(reason), "{seen:?} {why}");
        }
    }
}
