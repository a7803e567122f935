// SPDX-License-Identifier: Apache-2.0
//! The few lines that a person needs: on the machine's console while it boots, on the terminal when called by hand.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::unistd::getppid;

use crate::report::line::one_line;

/// Says one line: on stderr, which is the terminal or the journal, and during a boot on the console too. Nobody is told
/// if there is nowhere to say it.
pub fn say(text: &str) {
    let line = format!("firstlight: {}\n", one_line(text));
    if started_by_init() {
        // A serial line that nobody empties must not hold up the boot, and the agent wants no controlling terminal.
        let console = OpenOptions::new().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open("/dev/console");
        let _ = console.and_then(|mut console| console.write_all(line.as_bytes()));
    }
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Whether systemd or OpenRC started this process itself, as against a person or another program.
pub fn started_by_init() -> bool {
    let by_systemd = std::env::var_os("INVOCATION_ID").is_some() && getppid().as_raw() == 1;
    by_systemd || std::env::var_os("RC_SVCNAME").is_some()
}
