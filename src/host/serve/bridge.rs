// SPDX-License-Identifier: Apache-2.0
//! The service on a bridge that may go and come back: `virsh net-destroy` and `net-start` make another of the same name.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::error::Result;
use crate::host::serve::link_local::{Arguments, Held};
use crate::host::serve::listen::{self, Front};
use crate::host::serve::{HTTP, say};
use crate::host::tell::Teller;

/// How often it is looked whether the bridge is there.
const PAUSE: Duration = Duration::from_secs(1);

/// Addresses on a bridge, and what listens there.
pub struct Bridge {
    arguments: Arguments,
    held: Held,
    listeners: Vec<TcpListener>,
}

impl Bridge {
    /// `None` where no bridge is asked for.
    ///
    /// # Errors
    /// As [`Held::new`] and [`listen::bind`].
    pub fn open(arguments: &Arguments) -> Result<Option<Self>> {
        let Some(held) = arguments.hold()? else { return Ok(None) };
        let places = held.addresses(HTTP);
        match places.into_iter().map(|address| listen::bind(address, Some(held.bridge()))).collect() {
            Ok(listeners) => Ok(Some(Self { arguments: arguments.clone(), held, listeners })),
            Err(error) => {
                held.give_up();
                Err(error)
            }
        }
    }

    /// Takes connections until `stop`, and whenever the bridge is there. What is returned is to be dropped once nobody is
    /// being answered any more.
    pub async fn serve(self, front: Arc<Front>, teller: Teller, mut stop: watch::Receiver<bool>) -> Option<Held> {
        let Self { arguments, mut held, mut listeners } = self;
        loop {
            let mut accepting = JoinSet::new();
            for listener in listeners {
                say(&teller, "listening", "listening on", &listener);
                accepting.spawn(Arc::clone(&front).accept(listener, Some(held.index()), stop.clone()));
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Some(held),
                () = gone(&held) => {}
            }
            accepting.shutdown().await;
            let bridge = held.bridge();
            teller.event_with(
                "gone",
                &format!("the bridge {bridge} is gone; waiting for it"),
                json!({"bridge": bridge}),
            );
            drop(held);
            let again = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return None,
                again = back(&arguments, &teller) => again,
            };
            (held, listeners) = (again.held, again.listeners);
        }
    }
}

async fn gone(held: &Held) {
    while held.is_there() {
        sleep(PAUSE).await;
    }
}

/// Waits for the bridge; says why it cannot be served on, once for each reason.
async fn back(arguments: &Arguments, teller: &Teller) -> Bridge {
    let mut said = String::new();
    loop {
        sleep(PAUSE).await;
        match Bridge::open(arguments) {
            Ok(Some(bridge)) => return bridge,
            Ok(None) => {}
            Err(error) if error.is_absent() => {}
            Err(error) => {
                let why = error.without_advice();
                if why != said {
                    teller.event("bridge", &why);
                    said = why;
                }
            }
        }
    }
}
