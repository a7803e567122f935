// SPDX-License-Identifier: Apache-2.0
//! QEMU's process: started so that it can't outlive this program, and reaped by the thread that started it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::host::tether::tether;

/// A process that was started; it is reaped whether anybody waits for it or not.
pub struct Process {
    /// None once it is reaped: then the number may be another's.
    pid: Arc<Mutex<Option<Pid>>>,
    waiter: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts it with `inherited` at the same numbers as here. `ended` is called, on the thread that waits, when it has.
    ///
    /// # Errors
    /// Fatal: it can't be started.
    pub fn start(
        program: &Path,
        arguments: Vec<std::ffi::OsString>,
        inherited: Vec<OwnedFd>,
        complaints: OwnedFd,
        ended: impl FnOnce(ExitStatus) + Send + 'static,
    ) -> Result<Self> {
        let cannot = |error: io::Error| Error::fatal(format!("cannot run {}", program.display())).because(error);
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
        tether(&mut command, inherited);
        let pid = Arc::new(Mutex::new(None));
        let (starter, started) = mpsc::channel();
        // It dies with the thread that starts it, so that is the one that waits for it.
        let waiter = thread::Builder::new().name("qemu".to_owned()).spawn({
            let pid = Arc::clone(&pid);
            move || {
                let mut child = match command.spawn() {
                    Ok(child) => child,
                    Err(error) => return drop(starter.send(Err(error))),
                };
                // Its ends of the pipes are closed here, or nobody would ever see their end.
                drop(command);
                let number = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
                *pid.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
                let _ = starter.send(Ok(()));
                while waitid(Id::Pid(number), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
                let mut pid = pid.lock().unwrap_or_else(PoisonError::into_inner);
                let status = child.wait();
                *pid = None;
                drop(pid);
                ended(status.unwrap_or_default());
            }
        });
        let waiter = waiter.map_err(cannot)?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { pid, waiter: Some(waiter) }),
            Ok(Err(error)) => Err(cannot(error)),
            Err(_) => Err(Error::fatal(format!("cannot run {}", program.display()))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = *self.pid.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn start(script: &str) -> (Process, mpsc::Receiver<ExitStatus>) {
        let (sender, receiver) = mpsc::channel();
        let (_here, there) = UnixStream::pair().unwrap();
        let arguments = vec!["-c".into(), script.into()];
        let ended = move |status| sender.send(status).unwrap();
        (Process::start(Path::new("/bin/sh"), arguments, Vec::new(), there.into(), ended).unwrap(), receiver)
    }

    #[test]
    fn its_end_is_told_and_dropping_it_is_its_end() {
        let (_process, ended) = start("exit 3");
        assert_eq!(ended.recv().unwrap().code(), Some(3));
        let (process, ended) = start("exec sleep 1000");
        drop(process);
        assert!(!ended.recv().unwrap().success());
    }
}
