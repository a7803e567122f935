// SPDX-License-Identifier: Apache-2.0
//! A signal asks this program to end: who has a guest running ends it, and scratch directories go in any case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::error::{Error, Result};

/// How long listeners have to end what they do; a second signal ends it at once.
const GRACE: Duration = Duration::from_secs(15);

static STATE: Mutex<State> = Mutex::new(State {
    watching: false,
    signal: None,
    number: 0,
    listeners: BTreeMap::new(),
    directories: BTreeSet::new(),
});

struct State {
    watching: bool,
    signal: Option<&'static str>,
    number: u64,
    listeners: BTreeMap<u64, Box<dyn Fn() + Send>>,
    directories: BTreeSet<PathBuf>,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The signal that asked this program to end, by name.
pub fn requested() -> Option<&'static str> {
    state().signal
}

/// An error where a signal has asked this program to end; for loops that take long.
///
/// # Errors
/// Fatal: it has.
pub fn check() -> Result<()> {
    requested().map_or(Ok(()), |signal| Err(Error::fatal(format!("ended by {signal}"))))
}

/// As long as this lives, a signal does not end the program at once: its owner was told, and ends what it does in time.
pub struct Listening {
    number: u64,
}

/// Calls `told` (which must not block) when a signal comes, and at once where one has come already.
///
/// # Errors
/// Fatal: signals can't be watched.
pub fn listen(told: impl Fn() + Send + 'static) -> Result<Listening> {
    watch()?;
    let mut state = state();
    if state.signal.is_some() {
        told();
    }
    state.number += 1;
    let number = state.number;
    state.listeners.insert(number, Box::new(told));
    Ok(Listening { number })
}

impl Drop for Listening {
    fn drop(&mut self) {
        state().listeners.remove(&self.number);
    }
}

/// From here on a signal that ends this program takes the directory away first.
pub(super) fn remove_at_end(directory: &Path) -> Result<()> {
    watch()?;
    state().directories.insert(directory.to_owned());
    Ok(())
}

/// The directory is its owner's business again.
pub(super) fn leave(directory: &Path) {
    state().directories.remove(directory);
}

/// One thread takes the signals, as long as the program lives.
fn watch() -> Result<()> {
    let mut state = state();
    if state.watching {
        return Ok(());
    }
    let cannot = |error| Error::fatal("cannot watch for signals").because(error);
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(cannot)?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _inside = runtime.enter();
        // What the caller lets us ignore (nohup, a script's background) stays ignored.
        let ignored = ignored();
        let on = |kind: SignalKind| match ignored >> (kind.as_raw_value() - 1) & 1 {
            0 => signal(kind).map(Some).map_err(cannot),
            _ => Ok(None),
        };
        (on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?)
    };
    let follow = async move {
        for round in 0..2 {
            let (name, number) = select! {
                Some(()) = next(&mut interrupt) => ("SIGINT", 2),
                Some(()) = next(&mut terminate) => ("SIGTERM", 15),
                Some(()) = next(&mut hangup) => ("SIGHUP", 1),
                () = sleep(GRACE), if round > 0 => ("its deadline", 15),
            };
            if round > 0 || !tell(name) {
                end(number);
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(follow)).map_err(cannot)?;
    state.watching = true;
    Ok(())
}

async fn next(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => pending().await,
    }
}

/// The set of ignored signals, as the kernel has it.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Whether anybody listens.
fn tell(name: &'static str) -> bool {
    let mut state = state();
    state.signal = Some(name);
    state.listeners.values().for_each(|told| told());
    !state.listeners.is_empty()
}

fn end(number: i32) {
    let state = state();
    for directory in &state.directories {
        let _ = fs::remove_dir_all(directory);
    }
    // With the state locked, so that nobody makes another directory meanwhile.
    std::process::exit(128 + number);
}
