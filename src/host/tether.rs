// SPDX-License-Identifier: Apache-2.0
//! Programs that may not outlive this one: the kernel kills them when it ends, however it ends.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};

/// Lets `command` be killed when the thread that spawns it ends: spawn it from one that waits for it. It gets a process
/// group of its own, so that what a terminal sends reaches this program alone, and `inherited` at the same numbers as here.
pub fn tether(command: &mut Command, inherited: Vec<OwnedFd>) {
    let parent = getpid();
    // SAFETY: between fork and exec only what is async-signal-safe may be called: system calls, and no memory is allocated.
    #[allow(unsafe_code)]
    unsafe {
        command.process_group(0).pre_exec(move || bind(parent, &inherited));
    }
}

fn bind(parent: Pid, inherited: &[OwnedFd]) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // This program may have ended before the line above.
    if getppid() != parent {
        return Err(Errno::ESRCH.into());
    }
    for descriptor in inherited {
        fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    Ok(())
}
