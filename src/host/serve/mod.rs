// SPDX-License-Identifier: Apache-2.0
//! `firstlight-host serve`: a metadata service for guests.

mod access;
mod answers;
mod bridge;
mod callers;
mod connection;
mod data;
mod ec2;
mod form;
mod guest;
mod hops;
mod limit;
mod link_local;
mod listen;
mod nocloud;
mod openstack;
mod page;
mod password;
mod respond;
mod route;
mod service;
mod session;
mod stdio;
mod store;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli;
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::host::Common;
use crate::host::tell::Teller;

use access::Log;
use bridge::Bridge;
use data::{Data, Parsed};
use listen::Front;
use page::Activity;
use password::Passwords;
use service::{Service, Who};
use session::Sessions;
use store::Store;

/// Serve metadata to guests: EC2's, OpenStack's and NoCloud's, answers for installers, and the bootstrap script
///
/// The data of a guest NAME are NAME.json (its meta-data, over defaults that need no file), NAME.data (user-data),
/// NAME.vendor, NAME.network and NAME.bootstrap; of default.json and so on where it has none of its own. They are looked at
/// for each request, so that an edit counts at once. With --seed everybody gets the same seed, read once.
///
/// A guest finds the service at http://169.254.169.254 by itself where --bind-link-local puts it, or where QEMU starts
/// `serve --stdio`; NoCloud's files are at /nocloud/, for `ds=nocloud;s=http://HOST:PORT/nocloud/`. Ends with SIGTERM or
/// SIGINT, once what is being answered has been.
#[derive(Args)]
pub struct Arguments {
    /// Where the data of many guests are: a directory, http(s)://HOST/PATH, or etcd://HOST:PORT[,HOST:PORT]/PREFIX
    #[arg(long, value_name = "SPEC", value_parser = NonEmptyStringValueParser::new())]
    #[arg(required_unless_present_any = ["seed", "token"], conflicts_with = "seed")]
    data: Option<String>,
    /// Serve one seed to whoever asks: a directory, or an ISO or FAT image, with NoCloud's files or a config drive's tree
    #[arg(long, value_name = "FILE|DIR")]
    seed: Option<PathBuf>,
    /// Listen there; may be given several times [default: 127.0.0.1:8076, unless it is
    /// bound to a bridge]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Serve one connection on standard input and output, for QEMU's guestfwd=tcp:ADDRESS:80-cmd:COMMAND
    #[arg(long, conflicts_with_all = ["listen", "hop_limit", "bind_link_local"])]
    stdio: bool,
    /// Which of EC2's ways to ask is answered: without a session (v1), with one only (v2), or as the guest likes
    #[arg(long, value_enum, value_name = "v1|v2|both", default_value_t = Imds::Both, hide_possible_values = true)]
    imds: Imds,
    /// How many routers the answer with a session's token passes (1 to 255); with 1, no container of a guest gets one
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    hop_limit: Option<u8>,
    /// Requests in a second from one address, on average; at its boot a guest may ask ten seconds' worth at once. 0 is no
    /// bound, for a proxy in front
    #[arg(long, value_name = "REQUESTS", default_value_t = 100)]
    rate: u32,
    /// Append the access log to FILE in place of standard error
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Show which guests asked, what for, and when they reported done, on a page for the operator: at an address that
    /// guests do not reach
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "stdio")]
    status: Option<SocketAddr>,
    #[command(flatten)]
    who: callers::Arguments,
    #[command(flatten)]
    link_local: link_local::Arguments,
    #[command(flatten)]
    access: store::Access,
}

/// What EC2's tree wants of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Imds {
    /// Nothing, and there are no sessions.
    V1,
    /// A session.
    V2,
    /// A session is good, and nothing too.
    Both,
}

/// Where guests look for it.
const HTTP: u16 = 80;
/// As Cheesy2's: NAT rules for guests already lead to this port.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8076);

impl Arguments {
    pub(super) fn exec(&self, common: &Common) -> Result<ExitCode> {
        if let Some(beginning) = self.who.token()? {
            return cli::print(&format!("{beginning}\n"));
        }
        let mut builder = match self.stdio {
            true => runtime::Builder::new_current_thread(),
            false => runtime::Builder::new_multi_thread(),
        };
        let runtime = builder.enable_all().build().map_err(|error| Error::fatal("cannot start").because(error))?;
        let ended = runtime.block_on(self.serve(&Teller::new(common.json), common.json));
        // A thread may still wait for standard input: it is not waited for.
        runtime.shutdown_background();
        ended.map(|()| ExitCode::SUCCESS)
    }

    async fn serve(&self, teller: &Teller, json: bool) -> Result<()> {
        let stop = until_told()?;
        let service = Arc::new(self.service(teller, json).await?);
        if self.stdio {
            stdio::serve(service, stop).await;
            return Ok(());
        }
        let bridge = Bridge::open(&self.link_local)?;
        let listeners = self.listeners(bridge.is_none())?;
        let page = self.status.map(|address| listen::bind(address, None)).transpose()?;
        let activity = Arc::clone(&service.activity);
        let front = Front::new(service, self.rate, self.hop_limit, teller.clone());
        let mut accepting = JoinSet::new();
        if let Some(page) = page {
            say(teller, "status", "status page at", &page);
            // It has nothing to finish: it goes with the runtime.
            tokio::spawn(axum::serve(page, page::router(activity)).into_future());
        }
        for listener in listeners {
            say(teller, "listening", "listening on", &listener);
            let (front, stop) = (Arc::clone(&front), stop.clone());
            accepting.spawn(async {
                front.accept(listener, None, stop).await;
                None
            });
        }
        if let Some(bridge) = bridge {
            accepting.spawn(bridge.serve(Arc::clone(&front), teller.clone(), stop.clone()));
        }
        let held = accepting.join_all().await;
        front.finish().await;
        // Taken away last, when nobody is being answered any more.
        drop(held);
        Ok(())
    }

    fn listeners(&self, without_bridge: bool) -> Result<Vec<TcpListener>> {
        let usual = if without_bridge && self.listen.is_empty() { &[DEFAULT][..] } else { &self.listen };
        usual.iter().map(|address| listen::bind(*address, None)).collect()
    }

    async fn service(&self, teller: &Teller, json: bool) -> Result<Service> {
        let (data, who) = match (&self.data, &self.seed) {
            (Some(spec), _) => {
                let store = Store::open(spec, &self.access)?;
                store.ready().await?;
                (Data::Store(Box::new(store), Parsed::default()), Who::Callers(Box::new(self.who.open()?)))
            }
            (None, Some(path)) => {
                let mut findings = Findings::default();
                let data = Data::seed(path, &mut findings)?;
                findings.iter().for_each(|finding| teller.event("finding", &finding.to_string()));
                (data, Who::Anybody)
            }
            (None, None) => return Err(Error::fatal("there is nothing to serve").help("name --data or --seed")),
        };
        Ok(Service {
            data,
            who,
            sessions: Sessions::new(self.who.secret()?.as_deref())?,
            imds: self.imds,
            activity: Arc::new(Activity::default()),
            log: Log::new(self.access_log.as_deref(), json)?,
            passwords: Passwords::default(),
        })
    }
}

fn say(teller: &Teller, what: &str, text: &str, listener: &TcpListener) {
    if let Ok(address) = listener.local_addr() {
        teller.event_with(what, &format!("{text} http://{address}/"), json!({"address": address.to_string()}));
    }
}

/// Becomes true with SIGTERM or SIGINT. The data are read anew anyway: SIGHUP changes nothing, and ends nothing.
fn until_told() -> Result<watch::Receiver<bool>> {
    let listen = |kind| signal(kind).map_err(|error| Error::fatal("cannot wait for signals").because(error));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let hangup = listen(SignalKind::hangup())?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        drop(hangup);
        tell.send_replace(true);
        // Whoever waits for it asks the channel, which has to be there as long as they do.
        tell.closed().await;
    });
    Ok(told)
}
