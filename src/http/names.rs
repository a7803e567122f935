// SPDX-License-Identifier: Apache-2.0
//! Names of servers on a card that is brought up for a few questions: asked of the DNS servers that its lease names.
//!
//! The guest's own resolver is of no use then: what configures it comes from the server whose name is asked for. Bounded:
//! three servers, two tries, UDP alone. No search domain: the name is the one that the URL has.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{debug, info};
use nix::sys::socket::{setsockopt, sockopt::BindToDevice};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::error::{Error, Result};
use crate::http::Interface;
use crate::random;
use message::{Answer, Kind};

mod message;

const PORT: u16 = 53;
/// As resolvers have it (resolv.conf(5)).
const MOST_SERVERS: usize = 3;
const TRIES: usize = 2;
/// For one try of one server: so all of them fit into a request's ten seconds.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Messages that are no answer, until a server is given up: somebody may send them on purpose.
const MOST_OTHERS: usize = 64;
/// More than UDP may carry without being asked for it.
const BUFFER: usize = 4096;

/// The names of one way to the network, each asked for once.
#[derive(Default)]
pub struct Names(Mutex<HashMap<String, Vec<SocketAddr>>>);

impl Names {
    /// Finds the addresses of the URL's host, for the connection that is to come; a number has none.
    ///
    /// # Errors
    /// Transient where nobody tells them by now; fatal where nobody can.
    pub fn find(&self, url: &Url, card: &Interface, servers: &[IpAddr], deadline: Instant) -> Result<()> {
        let Some(host) = url.domain() else { return Ok(()) };
        if self.known(host).is_some() {
            return Ok(());
        }
        let servers: Vec<_> = servers.iter().map(|server| SocketAddr::new(*server, PORT)).collect();
        let found = look_up(host, Some(&card.name), &servers, deadline)?;
        info!("{}: {host} is {}", card.name, found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        // The port is the URL's.
        let found = found.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), found);
        Ok(())
    }

    /// No connection came of it: next time it is asked for again.
    pub fn forget(&self, url: &Url) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(url.domain().unwrap_or_default());
    }

    fn known(&self, host: &str) -> Option<Vec<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let known = self.known(name.as_str()).map(|known| Box::new(known.into_iter()) as Addrs);
        Box::pin(std::future::ready(known.ok_or_else(|| "nobody was asked for this name".into())))
    }
}

/// The addresses of a host, those of IPv4 first.
fn look_up(host: &str, card: Option<&str>, servers: &[SocketAddr], deadline: Instant) -> Result<Vec<IpAddr>> {
    let name = message::name(host).ok_or_else(|| Error::fatal(format!("{host} is no name that DNS could know")))?;
    let mut why = "no DHCP server has told a DNS server".to_owned();
    for _ in 0..TRIES {
        for server in servers.iter().take(MOST_SERVERS) {
            let until = deadline.min(Instant::now() + PATIENCE);
            match ask(&name, card, *server, until) {
                Ok(Some(found)) if !found.is_empty() => return Ok(found),
                // It knows.
                Ok(Some(_)) => return Err(Error::transient(format!("{host} has no address, says {}", server.ip()))),
                Ok(None) => why = format!("{} does not tell the address of {host}", server.ip()),
                Err(error) => why = format!("{} was asked for {host}: {error}", server.ip()),
            }
            debug!("{why}");
            if Instant::now() >= deadline {
                return Err(Error::transient(why));
            }
        }
    }
    Err(Error::transient(why))
}

/// What one server says; `None` where it does not know better than another one.
fn ask(name: &[u8], card: Option<&str>, server: SocketAddr, until: Instant) -> io::Result<Option<Vec<IpAddr>>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A port by chance, and only what that server sends.
    let socket = UdpSocket::bind((any, 0))?;
    if let Some(card) = card {
        setsockopt(&socket, BindToDevice, &card.into())?;
    }
    socket.connect(server)?;
    let [a, b, c, d] = random::bytes().map_err(io::Error::other)?;
    let mut open = vec![(u16::from_be_bytes([a, b]), Kind::A), (u16::from_be_bytes([c, d]), Kind::Aaaa)];
    for (id, kind) in &open {
        socket.send(&message::write(*id, name, *kind))?;
    }
    let (mut found, mut has_failed) = (Vec::new(), false);
    let mut buffer = [0; BUFFER];
    for _ in 0..MOST_OTHERS {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || open.is_empty() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if found.is_empty() => return Err(error),
            Err(_) => break,
        };
        let message = buffer.get(..length).unwrap_or_default();
        let mut answered = open.iter().enumerate();
        let answered = answered.find_map(|(at, (id, kind))| Some((at, message::read(message, *id, name, *kind)?)));
        let Some((at, answer)) = answered else { continue };
        open.remove(at);
        match answer {
            Answer::Addresses(addresses) => found.extend(addresses),
            Answer::Unknown => open.clear(),
            Answer::Failed => has_failed = true,
        }
    }
    if found.is_empty() && !open.is_empty() {
        return Err(io::Error::new(ErrorKind::TimedOut, "no answer in time"));
    }
    found.sort_by_key(IpAddr::is_ipv6);
    Ok((!found.is_empty() || !has_failed).then_some(found))
}

#[cfg(test)]
mod tests {
    use std::thread::{self, JoinHandle};

    use super::*;
    use crate::http::names::message::tests::answer;

    const HOST: &str = "seed.example";
    const GOOD: u16 = 0x8180;
    const SAME: &[u8] = &[0xc0, 12];
    const ONE: [u8; 4] = [192, 0, 2, 1];

    /// A server on the loopback that gets so many questions and answers each, number and kind given, with these messages.
    fn server(questions: usize, says: fn(u16, u16) -> Vec<Vec<u8>>) -> (SocketAddr, JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = socket.local_addr().unwrap();
        let thread = thread::spawn(move || {
            for _ in 0..questions {
                let mut question = [0; 512];
                let (length, peer) = socket.recv_from(&mut question).unwrap();
                let (id, kind) = ([question[0], question[1]], [question[length - 4], question[length - 3]]);
                for message in says(u16::from_be_bytes(id), u16::from_be_bytes(kind)) {
                    socket.send_to(&message, peer).unwrap();
                }
            }
        });
        (place, thread)
    }

    fn message(id: u16, bits: u16, kind: u16, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        answer(id, bits, &message::name(HOST).unwrap(), kind, records)
    }

    fn good(id: u16, kind: u16) -> Vec<Vec<u8>> {
        let value: &[u8] = if kind == 1 { &ONE } else { &[0xfd; 16] };
        vec![message(id, GOOD, kind, &[(SAME, kind, value)])]
    }

    fn find(servers: &[SocketAddr], patience: u64) -> Result<Vec<String>> {
        let deadline = Instant::now() + Duration::from_millis(patience);
        Ok(look_up(HOST, Some("lo"), servers, deadline)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn both_families_are_asked_for_and_ipv4_goes_first() {
        let (place, thread) = server(2, good);
        assert_eq!(find(&[place], 9000).unwrap(), ["192.0.2.1", "fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd"]);
        thread.join().unwrap();
    }

    #[test]
    fn a_server_that_is_dead_mute_or_refuses_gives_way_to_the_next() {
        let dead = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (refuses, _) = server(2, |id, kind| vec![message(id, GOOD | 5, kind, &[])]);
        for first in [dead, refuses, mute.local_addr().unwrap()] {
            let (place, thread) = server(2, good);
            assert_eq!(find(&[first, place], 9000).unwrap().len(), 2, "{first}");
            thread.join().unwrap();
        }
    }

    #[test]
    fn what_nobody_has_is_said_by_one_server_and_may_come_later() {
        let (place, thread) = server(2, |id, kind| vec![message(id, GOOD | 3, kind, &[])]);
        let start = Instant::now();
        let error = find(&[place, place], 9000).unwrap_err();
        assert!(error.is_transient() && start.elapsed() < PATIENCE, "{error}");
        assert_eq!(error.to_string(), "seed.example has no address, says 127.0.0.1");
        thread.join().unwrap();
    }

    #[test]
    fn half_an_answer_is_enough_and_what_nobody_asked_for_is_none() {
        // A stranger's words before each, and IPv6 is never answered.
        let (place, _) = server(2, |id, kind| match kind {
            1 => [good(id.wrapping_add(1), kind), vec![b"junk".to_vec()], good(id, kind)].concat(),
            _ => Vec::new(),
        });
        assert_eq!(find(&[place], 9000).unwrap(), ["192.0.2.1"]);
        let (place, _) = server(2, |id, _| vec![Vec::new(); 60].into_iter().chain(good(id ^ 1, 1)).collect());
        assert!(find(&[place], 9000).unwrap_err().is_transient());
    }

    #[test]
    fn nobody_is_asked_after_the_deadline_nor_where_there_is_nobody() {
        let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
        let start = Instant::now();
        let error = find(&[mute.local_addr().unwrap(); 9], 300).unwrap_err();
        assert!(error.to_string().ends_with("no answer in time") && start.elapsed() < PATIENCE, "{error}");
        assert!(find(&[], 9000).unwrap_err().is_transient());
        assert!(!look_up("a..b", None, &[], start).unwrap_err().is_transient());
    }
}
