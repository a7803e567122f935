// SPDX-License-Identifier: Apache-2.0
//! One connection on standard input and output, as QEMU's `guestfwd=…-cmd:` starts a program for each connection of its guest.

use std::sync::Arc;

use tokio::io::{join, stdin, stdout};
use tokio::sync::watch;

use crate::host::serve::connection;
use crate::host::serve::service::{Connection, Service};

/// Answers until the guest closes.
pub async fn serve(service: Arc<Service>, stop: watch::Receiver<bool>) {
    // Both are read and written by threads that wait, whatever they are: a socket, a pipe, or a file.
    connection::serve(join(stdin(), stdout()), service, Connection::default(), None, stop).await;
}
