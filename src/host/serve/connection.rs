// SPDX-License-Identifier: Apache-2.0
//! One connection, from a socket or from standard input and output: HTTP/1.0 and 1.1, bounded in time and size.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::host::serve::service::{Connection, Service};

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// The head's bytes and fields.
const HEAD_BYTES: usize = 16 << 10;
const HEAD_FIELDS: usize = 64;
/// No boot takes longer by one connection; a guest that reads nothing of what it is sent is gone after this.
const LIFE: Duration = Duration::from_secs(600);
/// How long what is being answered may still take once the server is to end.
pub const GRACE: Duration = Duration::from_secs(5);

/// Answers what comes by `io`, until it ends or the server does. `places` are those left for other connections: where there
/// are none, this one ends with its answer.
pub async fn serve<I>(
    io: I,
    service: Arc<Service>,
    from: Connection,
    places: Option<Arc<Semaphore>>,
    mut stop: watch::Receiver<bool>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (service, from, places) = (&service, &from, &places);
    let answers = service_fn(async |request| {
        let mut response = service.handle(request, from).await;
        if places.as_ref().is_some_and(|places| places.available_permits() == 0) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(response)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES).max_headers(HEAD_FIELDS);
    // A client that has said all closes its half, and still waits for the answer.
    http.half_close(true);
    let mut connection = pin!(http.serve_connection(TokioIo::new(io), answers));
    let ends = async {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = sleep(LIFE) => {}
        }
    };
    // A guest that breaks off, or speaks no HTTP, has been answered as far as that is possible.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = ends => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(GRACE, connection).await;
}
