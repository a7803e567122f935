// SPDX-License-Identifier: Apache-2.0
//! Sockets: many guests at once, and none of them ends the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::error::{Error, Result};
use crate::host::serve::connection::{self, GRACE};
use crate::host::serve::hops::Hops;
use crate::host::serve::limit::Limits;
use crate::host::serve::service::{Connection, Service};
use crate::host::tell::Teller;

/// Connections that wait to be taken; the kernel has its own bound (net.core.somaxconn, 4096).
const BACKLOG: u32 = 4096;
/// Connections at a time, as far as the process may have so many files.
const CONNECTIONS: u64 = 16_384;
/// Files for all else: the store, the log, libvirt.
const OTHER_FILES: u64 = 128;
/// How long a full table of files is left alone.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the kernel tries to send to a guest that takes nothing, in milliseconds.
const SEND_TIME: u32 = 60_000;

/// A socket that listens, on one interface where one is named.
///
/// # Errors
/// Fatal: the address is taken, is not this machine's, or is not for an ordinary user.
pub fn bind(address: SocketAddr, interface: Option<&str>) -> Result<TcpListener> {
    let listener = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        if let Some(interface) = interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listener().map_err(|error: io::Error| {
        let help = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there (`ss -ltnp` shows it): end it, or name another port"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE: name a higher port, run as root, or give the service \
                 AmbientCapabilities=CAP_NET_BIND_SERVICE"
            }
            io::ErrorKind::AddrNotAvailable => {
                "no interface of this machine has that address (`ip address` shows them)"
            }
            _ => "name another ADDRESS:PORT",
        };
        Error::fatal(format!("cannot listen on {address}")).because(error).help(help)
    })
}

/// What all sockets share.
pub struct Front {
    service: Arc<Service>,
    limits: Limits,
    hop_limit: Option<u8>,
    connections: u32,
    places: Arc<Semaphore>,
    teller: Teller,
}

impl Front {
    /// Raises the process's bound on open files as far as that goes.
    pub fn new(service: Arc<Service>, rate: u32, hop_limit: Option<u8>, teller: Teller) -> Arc<Self> {
        let connections =
            u32::try_from(raised_files().saturating_sub(OTHER_FILES).clamp(16, CONNECTIONS)).unwrap_or(16);
        let places = Arc::new(Semaphore::new(connections as usize));
        Arc::new(Self { service, limits: Limits::new(rate), hop_limit, connections, places, teller })
    }

    /// Takes connections until `stop`; `link` is the interface that the socket is bound to.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, link: Option<u32>, mut stop: watch::Receiver<bool>) {
        let ends = stop.clone();
        tokio::select! {
            () = self.accept_for_ever(&listener, link, &ends) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn accept_for_ever(
        self: &Arc<Self>,
        listener: &TcpListener,
        link: Option<u32>,
        stop: &watch::Receiver<bool>,
    ) {
        let mut is_well = true;
        loop {
            // Whoever comes while there is no place waits in the kernel's queue.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Said once: the next success ends it. A guest that broke off in the queue is no news at all.
                    if std::mem::take(&mut is_well) && error.kind() != io::ErrorKind::ConnectionAborted {
                        self.teller.event("accept", &format!("cannot take a connection: {error}; trying again"));
                    }
                    sleep(PAUSE).await;
                    continue;
                }
            };
            is_well = true;
            let (front, stop) = (Arc::clone(self), stop.clone());
            tokio::spawn(async move {
                front.connection(stream, peer, link, stop).await;
                drop(place);
            });
        }
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr, link: Option<u32>, stop: watch::Receiver<bool>) {
        // An IPv4 guest of a socket for both is the same guest.
        let address = peer.ip().to_canonical();
        let Some(place) = self.limits.place(address, Instant::now()) else { return };
        let hops = match self.hop_limit {
            // A token must not go farther than it was said: without the means to hold it back there is no answer.
            Some(limit) => match Hops::new(&stream, peer.ip(), limit) {
                Some(hops) => Some(hops),
                None => return,
            },
            None => None,
        };
        // Small answers go at once. Neither is needed for a right answer.
        let _ = stream.set_nodelay(true);
        let _ = setsockopt(&stream, sockopt::TcpUserTimeout, &SEND_TIME);
        let link = match peer {
            SocketAddr::V6(peer) if peer.scope_id() != 0 => Some(peer.scope_id()),
            _ => link,
        };
        let from = Connection { address: Some(address), link, place: Some(place), hops };
        connection::serve(stream, Arc::clone(&self.service), from, Some(Arc::clone(&self.places)), stop).await;
    }

    /// Waits for what is being answered, not for ever.
    pub async fn finish(&self) {
        let _ = timeout(GRACE + Duration::from_secs(1), self.places.acquire_many(self.connections)).await;
    }
}

/// The process's bound on open files, raised to the highest that it may have.
fn raised_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let wanted = hard.min(CONNECTIONS + OTHER_FILES).max(soft);
    match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(_) => soft,
    }
}
