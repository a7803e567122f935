// SPDX-License-Identifier: Apache-2.0
//! What a search may ask of the network: by who asks, and by whose word on the network counts.

use crate::boot::{Options, network};
use crate::config::base::Settings;
use crate::datasource::Reach;
use crate::ephemeral;
use crate::guest::Guest;
use crate::network::own;
use crate::plan::step::Stage;

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
    let renderer = network::renderer(settings, guest);
    if !stages.is_empty() {
        return if is_left_alone { Reach::Later } else { Reach::Ephemeral { renderer } };
    }
    Reach::Look(match own::is_there(guest, renderer) {
        _ if is_left_alone => "the network stage asks, by the network that is configured already",
        false => "the local stage asks, by cards that are brought up for the questions",
        true => {
            "the local stage asks for a while, by cards that are brought up for the questions; then the network stage"
        }
    })
}
