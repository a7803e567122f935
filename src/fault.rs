// SPDX-License-Identifier: Apache-2.0
//! A defect of this program: a panic costs what the program was at, and nothing else.
//!
//! The release file does not unwind: the tables for that are a sixth of it. A panic starts the program again, and tells it
//! by an environment variable what to leave out. To everything on disk that is a kill at this moment, which every command
//! bears; and nothing is left of the memory in which something went wrong.

use std::os::unix::process::CommandExt as _;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::finding::escaped;

/// What has ended an earlier process, a name a line.
const LEFT_OUT: &str = "FIRSTLIGHT_LEFT_OUT";
/// A program with more defects than this is of no use.
const LIMIT: usize = 16;

/// What the program is at.
static AT: Mutex<Option<String>> = Mutex::new(None);

/// Does `work`, which is known by the name `what`; `None` where it has ended an earlier process.
pub fn apart<T>(what: &str, work: impl FnOnce() -> T) -> Option<T> {
    let what = escaped(what);
    if left_out().lines().any(|name| name == what) {
        return None;
    }
    let before = at(Some(what));
    provoke();
    let done = work();
    at(before);
    Some(done)
}

/// From here on a panic within [`apart`] starts the program again.
pub fn bear() {
    std::panic::set_hook(Box::new(start_again));
}

fn start_again(panic: &PanicHookInfo) {
    // Not its message: that may quote the input, secrets and all.
    let place = panic.location().map_or_else(String::new, |place| format!(" ({}:{})", place.file(), place.line()));
    eprintln!("firstlight: a defect of this program{place}: please report it");
    restart();
}

/// Ends this process, and starts the program again without what it was at.
pub fn give_up(why: &str) -> ! {
    eprintln!("firstlight: {why}");
    restart();
    std::process::abort()
}

/// Comes back only where there is nothing to leave out, or no program to start.
fn restart() {
    let Some(what) = at(None) else { return };
    let names = format!("{}{what}\n", left_out());
    if names.lines().count() <= LIMIT {
        eprintln!("firstlight: starting again without it: {what}");
        let own = Path::new("/proc/self/exe");
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| own.into());
        let _ = Command::new(own).arg0(name).args(arguments).env(LEFT_OUT, names).exec();
    }
}

fn left_out() -> String {
    std::env::var(LEFT_OUT).unwrap_or_default()
}

/// Sets what the program is at; what it was before.
fn at(what: Option<String>) -> Option<String> {
    std::mem::replace(&mut *AT.lock().unwrap_or_else(PoisonError::into_inner), what)
}

/// A test has the program panic at what `FIRSTLIGHT_PANIC_AT` names.
#[cfg(debug_assertions)]
#[allow(clippy::panic)]
fn provoke() {
    let wanted = std::env::var("FIRSTLIGHT_PANIC_AT").ok();
    let now = AT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if wanted.is_some() && wanted == now {
        panic!("as told");
    }
}

#[cfg(not(debug_assertions))]
const fn provoke() {}
