// SPDX-License-Identifier: Apache-2.0
//! What happens to a request: it is counted, routed, its guest told apart, answered, and logged.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response, StatusCode};
use tokio::time::sleep;

use crate::error::{Kind, Result};
use crate::host::serve::Imds;
use crate::host::serve::access::{Line, Log};
use crate::host::serve::callers::{Callers, Identity, Peer};
use crate::host::serve::data::Data;
use crate::host::serve::hops::Hops;
use crate::host::serve::limit::{Place, Taken};
use crate::host::serve::page::Activity;
use crate::host::serve::password::Passwords;
use crate::host::serve::respond::Answer;
use crate::host::serve::route::{LONGEST, Route, Routed, route};
use crate::host::serve::session::Sessions;

/// How long a refusal is held back: a loop without a pause costs the guest its own time.
const REFUSAL: Duration = Duration::from_millis(100);

/// The server, however it is reached.
pub struct Service {
    /// What there is for the guests.
    pub data: Data,
    /// Who they are.
    pub who: Who,
    /// EC2's sessions.
    pub sessions: Sessions,
    /// Whether EC2's tree wants one.
    pub imds: Imds,
    /// For the status page.
    pub activity: Arc<Activity>,
    /// The access log.
    pub log: Log,
    /// What guests posted for OpenStack's `get-password`.
    pub passwords: Passwords,
}

/// How guests are told apart.
pub enum Who {
    /// By where they ask from.
    Callers(Box<Callers>),
    /// Not at all: there is one seed for whoever asks.
    Anybody,
    /// For tests: by address.
    #[cfg(test)]
    Known(std::collections::HashMap<IpAddr, Identity>),
}

impl Who {
    async fn identify(&self, peer: &Peer) -> Result<Identity> {
        match self {
            Self::Callers(callers) => callers.identify(peer).await,
            Self::Anybody => Ok(Identity { address: peer.address, ..Identity::default() }),
            #[cfg(test)]
            Self::Known(guests) => {
                let guest = peer.address.and_then(|address| guests.get(&address)).cloned();
                guest.ok_or_else(|| crate::error::Error::fatal("nobody knows it"))
            }
        }
    }
}

/// The connection that a request came by.
#[derive(Default)]
pub struct Connection {
    /// The guest's address; none on standard input.
    pub address: Option<IpAddr>,
    /// The interface that it is on, where the service is bound to it or the address is link-local.
    pub link: Option<u32>,
    /// Its place among those of its address.
    pub place: Option<Place>,
    /// How far answers with a token go.
    pub hops: Option<Hops>,
}

impl Service {
    /// Answers.
    pub async fn handle<B>(&self, request: Request<B>, from: &Connection) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let begin = Instant::now();
        let method = request.method().clone();
        let path = request.uri().path();
        if let Some(Taken::No { say }) = from.place.as_ref().map(|place| place.take(begin)) {
            sleep(REFUSAL).await;
            let answer = Answer::later(StatusCode::TOO_MANY_REQUESTS);
            let answer = answer.because("too many requests; the others of this second are not logged");
            if say {
                self.log(None, from, method.as_str(), "-", &answer, begin);
            }
            return answer.response();
        }
        if path.len() > LONGEST {
            let answer = Answer::status(StatusCode::URI_TOO_LONG);
            self.log(None, from, method.as_str(), "-", &answer, begin);
            return answer.response();
        }
        let Routed { route, token, shown } = route(path);
        if let Some(hops) = &from.hops {
            hops.before_answer(route == Some(Route::Token));
        }
        let peer = Peer { address: from.address, link: from.link, token };
        let (who, answer) = match self.who.identify(&peer).await {
            Ok(who) => {
                let answer = self.answer(route, request, &who).await.unwrap_or_else(Answer::from);
                self.activity.asked(&who, method.as_str(), &shown, answer.status.as_u16());
                (Some(who), answer)
            }
            Err(error) if error.kind() == Kind::Transient => (None, Answer::from(error)),
            // Whoever is not known learns nothing, not even what there is.
            Err(error) => (None, Answer::status(StatusCode::FORBIDDEN).because(error.without_advice())),
        };
        self.log(who.as_ref(), from, method.as_str(), &shown, &answer, begin);
        answer.response()
    }

    fn log(
        &self,
        who: Option<&Identity>,
        from: &Connection,
        method: &str,
        path: &str,
        answer: &Answer,
        begin: Instant,
    ) {
        self.log.line(&Line {
            guest: who.and_then(|who| who.names.first()).map(String::as_str),
            address: from.address,
            method,
            path,
            status: answer.status.as_u16(),
            bytes: answer.body.len(),
            took: begin.elapsed(),
            reason: answer.reason.as_deref(),
        });
    }
}

#[cfg(test)]
mod tests;
