// SPDX-License-Identifier: Apache-2.0
//! What a search may ask of the network: by who asks, and by whose word on the network counts.

use std::time::Duration;

use crate::boot::{Options, network};
use crate::config::base::Settings;
use crate::datasource::Reach;
use crate::ephemeral;
use crate::guest::Guest;
use crate::network::own;
use crate::plan::step::Stage;

/// How long cards are brought up for questions where the image has a network of its own, which comes up later.
const BEFORE_OWN: Duration = Duration::from_secs(20);

/// For a run of `stages`; for a look where there are none, which changes nothing. Without servers nothing is asked in
/// any case.
///
/// The network may come from the very metadata that is on a server; and what the image's settings or the kernel's command
/// line say of it is written with them too. So the local stage brings the cards up for its questions, unless the network
/// is none of our business: then the network stage asks, when it is up.
pub(super) fn reach(options: &Options, guest: &Guest, settings: &Settings, stages: &[Stage], servers: bool) -> Reach {
    let is_live = options.root.is_live();
    if !options.root.is_machine() {
        return Reach::Nowhere("an image asks no server");
    }
    if servers && is_live && (stages.first() == Some(&Stage::Network) || ephemeral::is_up()) {
        return Reach::Up;
    }
    let is_left_alone = settings.network.as_ref().is_some_and(|network| network.enabled == Some(false));
    if !stages.is_empty() {
        return if is_left_alone { Reach::Later } else { Reach::Ephemeral { patience } };
    }
    Reach::Look(match patience(guest, settings) {
        _ if is_left_alone => "the network stage asks, by the network that is configured already",
        None => "the local stage asks, by cards that are brought up for the questions",
        Some(_) => {
            "the local stage asks for a while, by cards that are brought up for the questions; then the network stage"
        }
    })
}

/// How long the cards are brought up for questions, on a guest whose cards are there: for a while where the image has a
/// network of its own for one of them, with which the network stage can ask.
fn patience(guest: &Guest, settings: &Settings) -> Option<Duration> {
    let renderer = network::renderer(settings, guest)?;
    let own = guest.nics.as_deref()?.iter().find_map(|nic| own::configuration(guest, renderer, nic));
    own.map(|_| BEFORE_OWN)
}
