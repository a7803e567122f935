// SPDX-License-Identifier: Apache-2.0
//! Guests that boot all at once, each from an address of its own on the loopback: how many requests in a second a server
//! answers, and how long the slowest wait.
//!
//! `guests ADDRESS:PORT COUNT FILES [no-session]`: a guest asks for a session (unless there is none), the listing, the
//! files named (separated by commas) below meta-data/, and its user-data, on one connection. What is no 200, or empty, is an
//! error. Prints one JSON object; fails where there was an error.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a guest waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<ExitCode, Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, count, files, rest @ ..] = arguments.as_slice() else {
        return Err("guests ADDRESS:PORT COUNT FILES [no-session]".into());
    };
    let (server, count): (SocketAddr, u16) = (server.parse()?, count.parse()?);
    let has_session = !rest.iter().any(|word| word == "no-session");
    let paths: Vec<String> = files.split(',').map(|file| format!("/latest/meta-data/{file}")).collect();
    let begin = Instant::now();
    let mut guests = JoinSet::new();
    for number in 0..count {
        let paths = paths.clone();
        guests.spawn(async move { boot(server, number, &paths, has_session).await });
    }
    let (mut waits, mut errors) = (Vec::new(), Vec::new());
    while let Some(guest) = guests.join_next().await {
        match guest? {
            Ok(more) => waits.extend(more),
            Err(error) => errors.push(error.to_string()),
        }
    }
    let took = begin.elapsed().as_secs_f64();
    waits.sort_unstable();
    let millis = |share: usize| waits.get(waits.len() * share / 100).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0);
    let answered = u32::try_from(waits.len())?;
    println!(
        "{{\"guests\": {count}, \"requests\": {answered}, \"errors\": {}, \"seconds\": {took:.2}, \"per_second\": {:.0}, \
         \"p50_ms\": {:.1}, \"p99_ms\": {:.1}}}",
        errors.len(),
        f64::from(answered) / took,
        millis(50),
        millis(99)
    );
    errors.iter().take(3).for_each(|error| eprintln!("{error}"));
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The requests of one guest, and how long each took.
async fn boot(server: SocketAddr, number: u16, leaves: &[String], has_session: bool) -> Result<Vec<Duration>, Failed> {
    let [high, low] = number.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 1, high, low), 0).into())?;
    let begin = Instant::now();
    let mut stream = BufStream::new(timeout(PATIENCE, socket.connect(server)).await??);
    let mut waits = Vec::new();
    let mut session = String::new();
    if has_session {
        let ask = "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n";
        let token = String::from_utf8(answer(&mut stream, ask).await?)?;
        session = format!("X-aws-ec2-metadata-token: {token}\r\n");
        // The connection is part of the first wait.
        waits.push(begin.elapsed());
    }
    let listing = ["/latest/meta-data/".to_owned()];
    let user_data = ["/latest/user-data".to_owned()];
    for path in listing.iter().chain(leaves).chain(&user_data) {
        let begin = Instant::now();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{session}\r\n");
        answer(&mut stream, &ask).await.map_err(|error| format!("guest {number}, {path}: {error}"))?;
        waits.push(begin.elapsed());
    }
    Ok(waits)
}

/// The body of a 200 that says its length.
async fn answer(stream: &mut BufStream<TcpStream>, ask: &str) -> Result<Vec<u8>, Failed> {
    timeout(PATIENCE, async {
        stream.write_all(ask.as_bytes()).await?;
        stream.flush().await?;
        let (mut status, mut length) = (String::new(), 0);
        stream.read_line(&mut status).await?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        match status.split(' ').nth(1) {
            Some("200") if !body.is_empty() => Ok(body),
            _ => Err(format!("answered {:?}, {length} bytes", status.trim()).into()),
        }
    })
    .await?
}
