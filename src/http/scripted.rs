// SPDX-License-Identifier: Apache-2.0
//! A server that misbehaves as told, for tests: one answer for each connection, then nobody at home.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// What is done with a connection whose request was read.
pub type Answer = Box<dyn FnOnce(&mut TcpStream) + Send>;

pub struct Scripted {
    address: SocketAddr,
    requests: Receiver<String>,
}

impl Scripted {
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for answer in answers {
                let Ok((mut peer, _)) = listener.accept() else { return };
                let _ = sender.send(request(&peer));
                answer(&mut peer);
            }
        });
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, the lines of each joined by newlines; a body stands after an empty line.
    pub fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

fn request(peer: &TcpStream) -> String {
    let mut reader = BufReader::new(peer);
    let lines = reader.by_ref().lines().map_while(|line| line.ok().filter(|line| !line.is_empty()));
    let head = lines.collect::<Vec<_>>().join("\n");
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = String::new();
    let _ = reader.take(length.unwrap_or(0)).read_to_string(&mut body);
    if body.is_empty() { head } else { format!("{head}\n\n{body}") }
}

/// Sends these bytes and closes.
pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
    let bytes = bytes.into();
    Box::new(move |peer| drop(peer.write_all(&bytes)))
}

/// Sends these bytes and keeps the connection open until the client has gone.
pub fn held(bytes: impl Into<Vec<u8>>) -> Answer {
    let bytes = bytes.into();
    Box::new(move |peer| {
        let _ = peer.write_all(&bytes);
        let _ = peer.read(&mut [0]);
    })
}

/// Sends a byte now and then until the client has gone.
pub fn dripping(head: &'static str) -> Answer {
    Box::new(move |peer| {
        let _ = peer.write_all(head.as_bytes());
        while peer.write_all(b"x").is_ok() {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    })
}

/// A whole answer with its length.
pub fn whole(status: &str, headers: &str, body: &str) -> Answer {
    raw(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}
