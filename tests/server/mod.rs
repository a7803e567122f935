// SPDX-License-Identifier: Apache-2.0
//! A server on loopback that answers each request as the `script` of a case says.
//!
//!     METHOD PATH ACTION, ACTION...   one for each such request in turn; the last is for all that follow
//!     deadline SECONDS                the case fails where its commands take longer
//!     secret WORD                     the case fails where the log has it
//!
//! Of several rules the first that fits counts; one `*` in a path stands for whatever is there; what no rule fits is
//! answered with 404. Where time decides how often the same is answered, `...` after the last action has it shown once.
//! Actions:
//!
//!     STATUS HEADER: VALUE; ...   that status without a body; @URL in a value is the server's own address
//!     text WORDS                  these words as a document (without a comma)
//!     file NAME                   that file of the case as a document
//!     half NAME                   the file's own length, half of it, and the connection is closed
//!     length NUMBER NAME          that length, the file, and the connection is closed
//!     drip NAME                   the file, a byte every 100 ms
//!     big NUMBER                  a document of that many GiB, as far as the client takes it
//!     endless                     a document without a length that does not end
//!     stall                       nothing until the client goes
//!     close                       the connection is closed without a word
//!
//! Where nothing else is said the connection stays open for the next request, so a body ends at its length.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a client names as its right to ask; which one it used is shown with the request.
const TOKEN: &str = "x-aws-ec2-metadata-token: ";

/// Answers until the tests end.
pub struct Server {
    /// Its address as a URL, without a slash at the end.
    pub url: String,
    /// How long the commands may take.
    pub deadline: Option<Duration>,
    /// What no log may have.
    pub secrets: Vec<String>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// With the script of the case, where that has one.
    pub fn start(case: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let script = fs::read_to_string(case.join("script")).unwrap_or_default();
        let (mut rules, mut secrets, mut deadline) = (Vec::new(), Vec::new(), None);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once(' ') {
                Some(("deadline", seconds)) => deadline = Some(Duration::from_secs(seconds.parse().expect("seconds"))),
                Some(("secret", word)) => secrets.push(word.to_owned()),
                _ => rules.push(Rule::parse(line)),
            }
        }
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let script =
            Arc::new(Script { case: case.to_owned(), url: url.clone(), rules, requests: Arc::clone(&requests) });
        thread::spawn(move || {
            for peer in listener.incoming() {
                let (peer, script) = (peer.expect("a connection"), Arc::clone(&script));
                // A client that goes away has only itself to blame.
                thread::spawn(move || drop(script.serve(&peer)));
            }
        });
        Self { url, deadline, secrets, requests }
    }

    /// The requests since the last call, each with what it was answered.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().expect("the requests"))
    }
}

struct Script {
    case: PathBuf,
    url: String,
    rules: Vec<Rule>,
    requests: Arc<Mutex<Vec<String>>>,
}

struct Rule {
    method: String,
    path: String,
    /// The next is at the end.
    actions: Mutex<Vec<String>>,
}

impl Rule {
    fn parse(line: &str) -> Self {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let (Some(method), Some(path), Some(actions)) = (words.next(), words.next(), words.next()) else {
            panic!("script: `{line}` is not METHOD PATH ACTION");
        };
        let actions = actions.rsplit(", ").map(|action| action.trim().to_owned()).collect();
        Self { method, path, actions: Mutex::new(actions) }
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        let fits = match self.path.split_once('*') {
            Some((start, end)) => path.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
            None => path == self.path,
        };
        fits && method == self.method
    }

    fn next(&self) -> String {
        let mut actions = self.actions.lock().expect("the actions");
        if actions.len() > 1 { actions.pop() } else { actions.last().cloned() }.expect("an action")
    }
}

impl Script {
    /// Until one of the two closes the connection.
    fn serve(&self, peer: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(peer);
        loop {
            let mut head = Vec::new();
            for line in reader.by_ref().lines() {
                match line? {
                    line if line.is_empty() => break,
                    line => head.push(line),
                }
            }
            let Some((method, rest)) = head.first().and_then(|line| line.split_once(' ')) else { return Ok(()) };
            let path = rest.split(' ').next().unwrap_or_default();
            let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
            let length = header("content-length: ").map_or(0, |length| length.parse().expect("a length"));
            io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
            let token = header(TOKEN).map(|token| format!(" (token {token})")).unwrap_or_default();
            let rule = self.rules.iter().find(|rule| rule.fits(method, path));
            let action = rule.map_or_else(|| "404".to_owned(), Rule::next);
            self.note(format!("{method} {path}{token}: {action}"));
            if !self.act(peer, action.trim_end_matches(" ..."))? {
                return Ok(());
            }
        }
    }

    fn note(&self, request: String) {
        let mut requests = self.requests.lock().expect("the requests");
        if !request.ends_with(" ...") || requests.last() != Some(&request) {
            requests.push(request);
        }
    }

    /// Whether the connection is good for another request.
    fn act(&self, mut peer: &TcpStream, action: &str) -> io::Result<bool> {
        let (verb, rest) = action.split_once(' ').unwrap_or((action, ""));
        let document = |length: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let whole = |body: &[u8]| [document(body.len() as u64).as_bytes(), body].concat();
        match verb {
            "text" => peer.write_all(&whole(rest.as_bytes()))?,
            "file" => peer.write_all(&whole(&self.file(rest)))?,
            "half" => {
                let body = self.file(rest);
                peer.write_all(document(body.len() as u64).as_bytes())?;
                peer.write_all(&body[..body.len() / 2])?;
            }
            "length" => {
                let (length, name) = rest.split_once(' ').expect("length NUMBER NAME");
                peer.write_all(document(length.parse().expect("a length")).as_bytes())?;
                peer.write_all(&self.file(name))?;
            }
            "drip" => {
                for byte in whole(&self.file(rest)) {
                    peer.write_all(&[byte])?;
                    thread::sleep(Duration::from_millis(100));
                }
            }
            "big" => {
                let length = rest.parse::<u64>().expect("a number of GiB") << 30;
                peer.write_all(document(length).as_bytes())?;
                io::copy(&mut io::repeat(b'#').take(length), &mut peer)?;
            }
            "endless" => {
                peer.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                io::copy(&mut io::repeat(b'#'), &mut peer)?;
            }
            "stall" => drop(peer.read(&mut [0])?),
            "close" => {}
            status => {
                assert!(status.parse::<u16>().is_ok(), "script: no such action as `{action}`");
                let headers = rest.split("; ").filter(|header| !header.is_empty());
                let headers: String =
                    headers.map(|header| format!("{}\r\n", header.replace("@URL", &self.url))).collect();
                peer.write_all(format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\n{headers}\r\n").as_bytes())?;
            }
        }
        Ok(!["half", "length", "stall", "close"].contains(&verb))
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.case.join(name)).unwrap_or_else(|error| panic!("script: {name}: {error}"))
    }
}
