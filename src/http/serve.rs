// SPDX-License-Identifier: Apache-2.0
//! A tiny HTTP server of fixed files on the loopback, for the demonstration and for tests.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_HEAD: u64 = 8 << 10;

/// Answers until it is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `files` (path with its leading slash → content) at a free port of 127.0.0.1.
    pub fn start(files: BTreeMap<String, Vec<u8>>) -> Result<Self> {
        let cannot = |error: io::Error| Error::fatal("cannot serve on 127.0.0.1").because(error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for peer in listener.incoming() {
                if asked.load(Ordering::Relaxed) {
                    return;
                }
                // A peer that goes away has only itself to blame.
                let _ = peer.and_then(|peer| answer(peer, &files));
            }
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where `path` is served.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // `accept` has no other way to be told.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn answer(mut peer: TcpStream, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    peer.set_read_timeout(Some(PATIENCE))?;
    peer.set_write_timeout(Some(PATIENCE))?;
    let mut head = BufReader::new((&peer).take(LONGEST_HEAD)).lines();
    let request = head.next().transpose()?.unwrap_or_default();
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = request.split(' ');
    let (status, body): (_, &[u8]) = match (words.next(), words.next().and_then(|path| files.get(path))) {
        (Some("GET"), Some(body)) => ("200 OK", body),
        (Some("GET"), None) => ("404 Not Found", b""),
        _ => ("405 Method Not Allowed", b""),
    };
    write!(peer, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    peer.write_all(body)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::http::Client;

    #[test]
    fn gives_what_it_has_and_404_for_the_rest() {
        let server = Server::start(BTreeMap::from([("/a".to_owned(), b"content".to_vec())])).unwrap();
        let (client, deadline) = (Client::files(), Instant::now() + PATIENCE);
        assert_eq!(client.get(&server.url("/a"), 100, deadline).unwrap().body, b"content");
        assert!(client.get(&server.url("/b"), 100, deadline).unwrap_err().is_absent());
    }
}
