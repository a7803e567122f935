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
    virsh: Virsh,
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
        Ok(Self::by(Virsh::at(uri)?))
    }

    fn by(virsh: Virsh) -> Self {
        let (drawn, tickets) = watch::channel(0);
        let (publish, known) = watch::channel(Known::default());
        let tasks =
            [tokio::spawn(read(virsh.clone(), tickets, publish)), tokio::spawn(listen(virsh.clone(), drawn.clone()))];
        Self { virsh, drawn, known, tasks }
    }

    /// Whose card it is; `None` where no domain has it.
    ///
    /// # Errors
    /// Transient: libvirt does not answer, and nothing is known from before. Fatal: several have it.
    pub async fn owner(&self, mac: &Mac) -> Result<Option<Arc<Domain>>> {
        self.find(|domains| domains.owner(mac)).await
    }

    /// The domain of the first of these names that one has; `None` where there is none.
    ///
    /// # Errors
    /// Transient: libvirt does not answer, and nothing is known from before.
    pub async fn named(&self, names: &[String]) -> Result<Option<Arc<Domain>>> {
        self.find(|domains| Ok(names.iter().find_map(|name| domains.named(name)))).await
    }

    async fn find(&self, find: impl Fn(&Domains) -> Result<Option<Arc<Domain>>>) -> Result<Option<Arc<Domain>>> {
        let last = *self.drawn.borrow();
        let known = self.known_since(last).await;
        if let Some(found) = find(&known.domains)? {
            return Ok(Some(found));
        }
        if known.failure.is_none() && known.begun.is_some_and(|begun| begun.elapsed() < PAUSE) {
            return Ok(None);
        }
        let known = self.known_since(draw(&self.drawn)).await;
        match (find(&known.domains)?, known.failure, known.begun) {
            (None, Some(failure), _) => Err(Error::transient(failure)),
            (None, None, None) => Err(Error::transient("libvirt has not answered yet")),
            (found, ..) => Ok(found),
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
        self.virsh.stop();
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command as Process;

    use super::*;

    const UUID: &str = "6695eb01-f6a4-8304-79aa-97f2502e193f";

    /// A program in virsh's place: it notes what it is asked, and answers from files of that directory. Another process writes
    /// it, as a file that anybody has open for writing can't be run.
    fn virsh(directory: &Path) -> Virsh {
        let place = directory.display();
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {place}/asked\ncase \"$*\" in\n\
             *event*) exec sleep 60 ;;\n\
             *) [ ! -e {place}/down ] || {{ echo 'error: failed to connect' >&2; exit 1; }} ;;\nesac\n\
             case \"$*\" in *list*) echo {UUID} ;; *) cat {place}/xml ;; esac\n"
        );
        let write = "printf %s \"$1\" > \"$2\"; chmod +x \"$2\"";
        let program = directory.join("virsh");
        let status = Process::new("sh").args(["-c", write, "-", &script]).arg(&program).status().unwrap();
        assert!(status.success());
        names(directory, "web");
        Virsh::new(program, "test:///")
    }

    fn names(directory: &Path, name: &str) {
        let xml = format!(
            "<domain id='1'><name>{name}</name><uuid>{UUID}</uuid><devices><interface>\
             <mac address='52:54:00:00:00:01'/></interface></devices></domain>"
        );
        fs::write(directory.join("xml"), xml).unwrap();
    }

    fn asked(directory: &Path, what: &str) -> u64 {
        let asked = fs::read_to_string(directory.join("asked")).unwrap_or_default();
        asked.lines().filter(|line| line.contains(what)).count().try_into().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_thousand_requests_cost_what_one_does() {
        let scratch = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let libvirt = Arc::new(Libvirt::by(virsh(scratch.path())));
        let mut requests = tokio::task::JoinSet::new();
        for number in 0..1000 {
            let libvirt = Arc::clone(&libvirt);
            let mac: Mac = format!("52:54:00:00:00:0{}", 1 + number % 2).parse().unwrap();
            requests.spawn(async move { libvirt.owner(&mac).await.unwrap().map(|owner| owner.name.clone()) });
        }
        let mut found = requests.join_all().await;
        found.sort();
        assert_eq!((found[499].as_deref(), found[500].as_deref()), (None, Some("web")));
        let most = begun.elapsed().as_secs() + 2;
        assert!(asked(scratch.path(), "list") <= most, "{} readings in {most} s", asked(scratch.path(), "list"));
        drop(libvirt);
    }

    #[tokio::test]
    async fn while_libvirt_is_down_what_was_known_holds_and_nobody_is_taken_for_a_stranger() {
        let scratch = tempfile::tempdir().unwrap();
        let (known, other): (Mac, Mac) = ("52:54:00:00:00:01".parse().unwrap(), "52:54:00:00:00:02".parse().unwrap());
        let virsh = virsh(scratch.path());
        fs::write(scratch.path().join("down"), "").unwrap();
        let libvirt = Libvirt::by(virsh);
        let error = libvirt.owner(&known).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("failed to connect"), "{error}");
        fs::remove_file(scratch.path().join("down")).unwrap();
        assert_eq!(libvirt.owner(&known).await.unwrap().unwrap().name, "web");
        assert_eq!(libvirt.named(&["web".to_owned()]).await.unwrap().unwrap().uuid, UUID);
        fs::write(scratch.path().join("down"), "").unwrap();
        sleep(PAUSE).await;
        assert!(libvirt.owner(&other).await.unwrap_err().is_transient());
        assert_eq!(libvirt.owner(&known).await.unwrap().unwrap().name, "web");
    }
}
