// SPDX-License-Identifier: Apache-2.0
//! Whose card it is, by libvirt: known beforehand, and true as libvirt's events come.
//!
//! A request starts no process: it looks into what is known. Each event, and each card that nobody has, makes a ticket; one
//! reading of all domains, at most one a second, answers all tickets that were drawn before it. So ten thousand requests
//! cost what one does.

use std::sync::Arc;
use std::time::Duration;

use log::{debug, info, warn};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::error::{Error, Result};
use crate::host::serve::callers::domains::{Domain, Domains};
use crate::host::serve::callers::virsh::Virsh;
use crate::network::prefix::Mac;

/// Between two readings.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a request waits for a reading; then it is answered by what was known before.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to follow a libvirt that is not there, at first and at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(30);
/// A follower that lived shorter has failed.
const LIVED: Duration = Duration::from_secs(5);
/// How long a follower may take until it hears events: what happens before that is read afterwards.
const CONNECTED: Duration = Duration::from_secs(2);

/// What is known of libvirt's domains.
pub struct Libvirt {
    drawn: watch::Sender<u64>,
    known: watch::Receiver<Known>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Clone, Default)]
struct Known {
    domains: Arc<Domains>,
    /// The last ticket that was drawn before this was read.
    ticket: u64,
    /// When that began.
    begun: Option<Instant>,
    /// Why this is older than that.
    failure: Option<String>,
}

impl Libvirt {
    /// Follows the libvirt at that URI, until it is dropped. Within a tokio runtime.
    ///
    /// # Errors
    /// Absent: there is no `virsh`. A libvirt that does not answer is waited for.
    pub fn follow(uri: &str) -> Result<Self> {
        let virsh = Virsh::at(uri)?;
        let (drawn, tickets) = watch::channel(0);
        let (publish, known) = watch::channel(Known::default());
        let tasks = [tokio::spawn(read(virsh.clone(), tickets, publish)), tokio::spawn(listen(virsh, drawn.clone()))];
        Ok(Self { drawn, known, tasks })
    }

    /// Whose card it is; `None` where no domain has it.
    ///
    /// # Errors
    /// Transient: libvirt does not answer, and nothing is known from before. Fatal: several have it.
    pub async fn owner(&self, mac: &Mac) -> Result<Option<Arc<Domain>>> {
        let drawn = *self.drawn.borrow();
        let known = self.known_since(drawn).await;
        if let Some(owner) = known.domains.owner(mac)? {
            return Ok(Some(owner));
        }
        if known.failure.is_none() && known.begun.is_some_and(|begun| begun.elapsed() < PAUSE) {
            return Ok(None);
        }
        let known = self.known_since(draw(&self.drawn)).await;
        match (known.domains.owner(mac)?, known.failure, known.begun) {
            (None, Some(failure), _) => Err(Error::transient(failure)),
            (None, None, None) => Err(Error::transient("libvirt has not answered yet")),
            (owner, ..) => Ok(owner),
        }
    }

    /// What is known once that ticket is answered; what is known anyway where that takes too long.
    async fn known_since(&self, ticket: u64) -> Known {
        let mut known = self.known.clone();
        let _ = timeout(PATIENCE, known.wait_for(|known| known.ticket >= ticket)).await;
        known.borrow().clone()
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Draws a ticket.
fn draw(drawn: &watch::Sender<u64>) -> u64 {
    let mut ticket = 0;
    drawn.send_modify(|last| {
        *last = last.wrapping_add(1);
        ticket = *last;
    });
    ticket
}

/// Reads the domains whenever a ticket waits.
async fn read(virsh: Virsh, mut tickets: watch::Receiver<u64>, publish: watch::Sender<Known>) {
    loop {
        let answered = publish.borrow().ticket;
        let Ok(ticket) = tickets.wait_for(|ticket| *ticket > answered).await.map(|ticket| *ticket) else { return };
        let begun = Instant::now();
        let answer = virsh.domains().await;
        publish.send_modify(|known| {
            known.ticket = ticket;
            match answer {
                Ok(domains) => {
                    let (count, domains) = (domains.len(), Domains::new(domains));
                    if known.begun.is_none() || known.failure.is_some() {
                        info!("{}: {count} domains with {} network cards", virsh.shown(), domains.len());
                    }
                    *known = Known { domains: Arc::new(domains), ticket, begun: Some(begun), failure: None };
                }
                Err(error) => {
                    let failure = error.without_advice();
                    if known.failure.as_ref() != Some(&failure) {
                        warn!("{failure}; what was known before still holds");
                    }
                    known.failure = Some(failure);
                }
            }
        });
        sleep_until(begun + PAUSE).await;
    }
}

/// Draws a ticket at each event, and whenever some may have been missed.
async fn listen(virsh: Virsh, drawn: watch::Sender<u64>) {
    let mut pause = SOON;
    draw(&drawn);
    loop {
        let begun = Instant::now();
        match virsh.follow() {
            Ok(mut follower) => {
                let connected = sleep(CONNECTED);
                tokio::pin!(connected);
                let mut is_connected = false;
                loop {
                    tokio::select! {
                        more = follower.next() => {
                            if !more {
                                break;
                            }
                            draw(&drawn);
                        }
                        () = &mut connected, if !is_connected => {
                            is_connected = true;
                            draw(&drawn);
                        }
                    }
                }
            }
            Err(error) => debug!("{error}"),
        }
        if begun.elapsed() > LIVED {
            pause = SOON;
            continue;
        }
        // libvirt is gone, or tells no events: then it is read from time to time.
        sleep(pause).await;
        pause = (pause * 2).min(LATE);
        draw(&drawn);
    }
}
