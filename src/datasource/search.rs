// SPDX-License-Identifier: Apache-2.0
//! The search: what is here first, then what is expected, on media that may be late and on servers.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::datasource::reach::{Reach, Roads};
use crate::datasource::service::DEFAULT_TIMEOUT;
use crate::datasource::{
    Certainty, Context, DATASOURCES, DEFAULT_MAX_WAIT, Datasource, Detection, Fetched, Outcome, Tried, platform, wanted,
};
use crate::ephemeral;
use crate::error::Kind;
use crate::finding::{Finding, Findings, Origin};
use crate::http::Way;
use crate::media::uevent::Uevents;
use crate::network::own;
use crate::state;

mod candidate;

use candidate::Candidate;

/// How often media are looked for while servers are asked.
const POLL: Duration = Duration::from_millis(250);
/// How long cards are brought up for questions where the image has a network of its own, which comes up later.
const BEFORE_OWN: Duration = Duration::from_secs(20);
/// The longest that a stage waits, whatever the settings say: its unit gives the local stage five minutes for all that it
/// does, and the network stage fifteen. One that is killed in its search tells nobody why.
const LONGEST: [Duration; 2] = [Duration::from_secs(4 * 60), Duration::from_secs(10 * 60)];

/// Looks for a datasource: those that are here first, then those that are expected and may be late.
///
/// None here and none expected: returns at once.
pub fn find(context: &Context) -> Detection {
    let mut findings = Findings::default();
    let wanted = wanted(context, &mut findings);
    let mut detection = Search { findings, ..Search::new(context, wanted.into_iter()) }.find();
    let is_nothing = |tried: &Tried| matches!(tried.outcome, Outcome::Absent);
    if detection.found.is_none() && detection.tried.iter().all(is_nothing) {
        detection.findings.extend(platform::unsupported(context));
    }
    detection
}

/// Asks the servers that the platform is certain to have, and that were not asked as something else was found first; each
/// no longer than a medium is waited for. For a look: a boot does not need them.
pub fn ask_the_skipped(context: &Context, tried: &[Tried]) -> Detection {
    let is_skipped = |name: &str| tried.iter().any(|tried| tried.name == name && tried.outcome == Outcome::Skipped);
    let skipped = DATASOURCES.iter().filter(|datasource| datasource.is_remote && is_skipped(datasource.name));
    let mut search = Search { at_most: Some(context.wait()), ..Search::new(context, skipped) };
    search.candidates.retain(|candidate| candidate.certainty >= Certainty::Expected);
    let found = search.expect();
    search.end(found)
}

/// A search on its way.
struct Search<'a> {
    context: &'a Context<'a>,
    candidates: Vec<Candidate>,
    findings: Findings,
    /// How long servers are asked at most, whatever else would count.
    at_most: Option<Duration>,
    /// The ways of a network that is up by itself.
    ways_up: fn() -> Vec<Way>,
}

impl<'a> Search<'a> {
    /// Each of these has been looked at once.
    fn new(context: &'a Context<'a>, datasources: impl Iterator<Item = &'static Datasource>) -> Self {
        let candidates = datasources.map(|datasource| Candidate::look(datasource, context)).collect();
        Self { context, candidates, findings: Findings::default(), at_most: None, ways_up: ephemeral::ways_up }
    }

    /// All of it.
    fn find(mut self) -> Detection {
        let found = self.first(Certainty::Here);
        let found = found.or_else(|| self.expect()).or_else(|| self.fall_back());
        if let Some(fetched) = &found {
            info!("{} found at {}", fetched.seed.datasource, fetched.seed.place);
            self.skip_the_others(&fetched.seed.datasource);
        }
        self.end(found)
    }

    /// What it came to.
    fn end(self, found: Option<Fetched>) -> Detection {
        let tried = self.candidates.into_iter().map(|candidate| candidate.tried).collect();
        Detection { tried, found, findings: self.findings }
    }

    /// The first that can be fetched without a server of those that are at least so certain; the most certain first, then
    /// by the order of the search.
    fn first(&mut self, least: Certainty) -> Option<Fetched> {
        let Self { context, candidates, findings, .. } = self;
        let is_promising = |it: &&mut Candidate| it.certainty >= least && !it.is_over && !it.is_remote;
        let mut promising: Vec<_> = candidates.iter_mut().filter(is_promising).collect();
        // Stable: datasources of the same certainty stay in the order of the search.
        promising.sort_by_key(|candidate| Reverse(candidate.certainty));
        promising.into_iter().find_map(|candidate| match candidate.fetch(context, None, findings) {
            Ok(fetched) => Some(fetched),
            Err(error) => {
                match error.kind() {
                    Kind::Transient => {
                        candidate.is_remote = true;
                        candidate.tried.reason = error.without_advice();
                    }
                    // What was seen says more than that it has not come.
                    Kind::Absent if candidate.certainty == Certainty::Expected => {
                        candidate.is_over = true;
                    }
                    Kind::Absent => candidate.end(Outcome::Absent, error.to_string()),
                    Kind::Malformed | Kind::Fatal => {}
                }
                None
            }
        })
    }

    /// What does where there is no other, once nobody is left to be asked.
    fn fall_back(&mut self) -> Option<Fetched> {
        let is_over = self.candidates.iter().all(|candidate| candidate.tried.outcome != Outcome::Awaited);
        is_over.then(|| self.first(Certainty::Fallback)).flatten()
    }

    /// Waits for what is expected: for all of it at once, and until the first is here. What comes for an image never comes,
    /// and nothing need come for an instance that is known to be this one.
    fn expect(&mut self) -> Option<Fetched> {
        self.sort_out();
        let mut roads = self.roads();
        let is_known = self.candidates.iter().any(|candidate| candidate.tried.outcome == Outcome::Known);
        let may_come = self.context.root.is_live() && !is_known;
        let is_awaited = may_come && self.candidates.iter().any(Candidate::is_late);
        let wait = if is_awaited { self.bounded("wait", self.context.wait()) } else { Duration::ZERO };
        let media = Instant::now() + wait;
        // Before the next look, so that a drive which comes meanwhile is not missed.
        let uevents = Uevents::open();
        let mut is_said = false;
        loop {
            let waits = may_come && self.candidates.iter().any(Candidate::is_late);
            if waits {
                self.look_again();
                if let Some(found) = self.first(Certainty::Here) {
                    return Some(found);
                }
                // What has come may lead to a server.
                self.sort_out();
                roads = roads.or_else(|| self.roads());
            }
            if let Some(found) = roads.as_mut().and_then(|roads| self.ask(roads)) {
                return Some(found);
            }
            let waits = waits && self.candidates.iter().any(Candidate::is_late) && Instant::now() < media;
            let next = roads.as_ref().and_then(|roads| self.next_question(roads));
            if !waits && next.is_none() {
                self.say_how_long(is_known);
                self.give_up(roads.as_ref());
                return None;
            }
            if !std::mem::replace(&mut is_said, true) {
                let awaited = |it: &&Candidate| it.is_late() || it.is_to_ask();
                let names = self.candidates.iter().filter(awaited).map(|it| it.datasource.name);
                info!("waiting for {}", names.collect::<Vec<_>>().join(", "));
            }
            match (&mut roads, next) {
                (Some(roads), Some(next)) if !waits => roads.wait(next),
                (_, Some(next)) => drop(uevents.wait(next.min(Instant::now() + POLL))),
                (_, None) => drop(uevents.wait(media)),
            }
        }
    }

    /// Looks once more for each medium that may be late.
    fn look_again(&mut self) {
        self.context.drives.forget();
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.is_late()) {
            let took = candidate.tried.took;
            *candidate = Candidate::look(candidate.datasource, self.context);
            candidate.tried.took += took;
        }
    }

    /// Says of each on a server why it is not to be asked, or not now.
    fn sort_out(&mut self) {
        let context = self.context;
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.is_to_ask()) {
            let known = context.kept.as_ref().filter(|kept| kept.datasource == candidate.datasource.name);
            // As cloud-init's check of an OpenStack instance: the firmware says the same as the kept seed.
            if known.is_some_and(|kept| context.guest.dmi.has_uuid(&kept.id)) {
                candidate.end(Outcome::Known, "the firmware's uuid is the id of the instance that is known");
                continue;
            }
            let (outcome, why) = match context.reach {
                Reach::Nowhere(why) => (Outcome::Absent, why),
                Reach::Look(when) => (Outcome::Awaited, when),
                Reach::Later => (Outcome::Awaited, "asked when the network is up"),
                Reach::Ephemeral { .. } | Reach::Up => continue,
            };
            let reason = format!("{}; {why}", candidate.tried.reason);
            candidate.end(outcome, reason);
        }
    }

    /// The roads to the servers that are to be asked; `None` where there are no servers.
    fn roads(&mut self) -> Option<Roads> {
        let context = self.context;
        if !self.candidates.iter().any(Candidate::is_to_ask) {
            return None;
        }
        let mut guest = context.guest.clone();
        if let Reach::Ephemeral { renderer } = context.reach {
            // So early in the boot a card may be without its driver, or its name.
            if let Err(error) = guest.wait_for_cards() {
                warn!("{error}");
            }
            // The network stage can go on by a network of the image's own; else this is the only chance.
            self.at_most = own::is_there(&guest, renderer).then_some(BEFORE_OWN);
        }
        let patience = self.patience();
        let deadline = Instant::now() + self.bounded("max_wait", patience);
        Some(Roads::open(context.reach, &guest, self.ways_up, deadline, self.timeout()))
    }

    /// That long, or as long as the stage may take; then that is said.
    fn bounded(&mut self, key: &str, asked: Duration) -> Duration {
        let [local, network] = LONGEST;
        let longest = if matches!(self.context.reach, Reach::Up) { network } else { local };
        if asked > longest {
            let text = format!("{asked:?} is longer than a stage may take; it is waited for {longest:?}");
            self.findings.push(Finding::warning(&Origin::document(key), text));
        }
        asked.min(longest)
    }

    /// How long servers are asked. A machine that was configured before has what it needs, and waits no longer than for a
    /// medium; so does one whose platform may be another.
    fn patience(&self) -> Duration {
        let asked: Vec<&Candidate> = self.candidates.iter().filter(|candidate| candidate.is_to_ask()).collect();
        let certain = asked.iter().any(|candidate| candidate.certainty >= Certainty::Expected);
        let known = |it: &&Candidate| {
            let kept = self.context.kept.as_ref();
            self.context.is_same_machine() && kept.is_some_and(|kept| kept.datasource == it.datasource.name)
        };
        let patience = match certain && !asked.iter().any(known) {
            true => self.context.settings.max_wait().unwrap_or(DEFAULT_MAX_WAIT),
            false => self.context.wait(),
        };
        let patience = patience.min(self.at_most.unwrap_or(patience));
        // Not to wait is not the same as not to ask.
        if patience.is_zero() { self.timeout() } else { patience }
    }

    /// For one try.
    fn timeout(&self) -> Duration {
        self.context.settings.timeout().unwrap_or(DEFAULT_TIMEOUT)
    }

    /// Asks for each datasource on each road whose turn it is.
    fn ask(&mut self, roads: &mut Roads) -> Option<Fetched> {
        for road in roads.due() {
            let mut at_least: Option<Duration> = None;
            for candidate in self.candidates.iter_mut().filter(|candidate| candidate.is_to_ask()) {
                let name = candidate.datasource.name;
                if road.is_over(name) {
                    continue;
                }
                let error = match candidate.fetch(self.context, Some(&road.service), &mut self.findings) {
                    Ok(fetched) => return Some(fetched),
                    Err(error) => error,
                };
                candidate.tried.reason = format!("{} (by {})", error.without_advice(), road.service.way());
                // Only possible: one question is enough.
                match error.is_transient() && candidate.certainty > Certainty::Possible {
                    true => at_least = at_least.max(error.retry_after()),
                    false => road.end(name, error.status().is_some() || road.service.has_answered()),
                }
            }
            road.put_off(at_least);
        }
        None
    }

    /// When a server is to be asked again; `None` where that makes no sense any more.
    fn next_question(&self, roads: &Roads) -> Option<Instant> {
        let open = self.candidates.iter().filter(|candidate| candidate.is_to_ask()).map(|it| it.datasource.name);
        roads.next(&open.collect::<Vec<_>>())
    }

    /// Says of media that have not come how long they were waited for; of a copy, how long a boot waits.
    fn say_how_long(&mut self, is_known: bool) {
        let wait = self.context.wait();
        let how_long = match (self.context.root.is_live(), self.context.root.is_machine()) {
            (true, _) if !is_known => format!("; it was waited for {wait:?}"),
            (false, true) if !is_known => format!("; a boot waits {wait:?} for it"),
            _ => return,
        };
        self.candidates.iter_mut().filter(|it| it.is_late()).for_each(|late| late.tried.reason += &how_long);
    }

    /// Says what became of those on servers that gave nothing.
    fn give_up(&mut self, roads: Option<&Roads>) {
        let goes_on = matches!(self.context.reach, Reach::Ephemeral { .. }) && self.at_most.is_some();
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.is_to_ask()) {
            let name = candidate.datasource.name;
            let reason = roads.and_then(Roads::why_none).unwrap_or_else(|| candidate.tried.reason.clone());
            let answered_no = roads.is_some_and(|roads| roads.is_denied(name));
            if (answered_no || !goes_on) && candidate.end_unusable(&mut self.findings) {
                continue;
            }
            match candidate.certainty > Certainty::Possible && !answered_no {
                false => candidate.end(Outcome::Absent, reason),
                true if goes_on => {
                    let reason = format!("{reason}; asked again when the network is up");
                    candidate.end(Outcome::Awaited, reason);
                }
                true => {
                    let known = self.context.kept.as_ref().map(|kept| format!("; instance {} stays as it is", kept.id));
                    let text = format!("no metadata: {reason}{}", known.unwrap_or_default());
                    let help = format!("`firstlight detect` tells what was asked; the request log is {}", state::LOG);
                    self.findings.push(Finding::error(&Origin::document(name), text).help(help));
                    candidate.end(Outcome::Failed, reason);
                }
            }
        }
    }

    /// Says what became of those that were not asked any more; of one that is here too, which goes first.
    fn skip_the_others(&mut self, taken: &str) {
        for candidate in self.candidates.iter_mut().filter(|candidate| !candidate.is_over) {
            candidate.end_unusable(&mut self.findings);
        }
        let promising = |it: &&mut Candidate| !it.is_over && it.certainty > Certainty::Unlikely;
        for candidate in self.candidates.iter_mut().filter(promising) {
            candidate.tried.outcome = Outcome::Skipped;
            if candidate.certainty >= Certainty::Here {
                let Tried { name, reason, .. } = &candidate.tried;
                let text = format!("{reason} is here too, and {taken} goes before it: one configuration is enough");
                let order = "`firstlight: datasources:` in the image's settings gives another order; or `ds=NAME` on the kernel's command line";
                self.findings.push(Finding::note(&Origin::document(name.as_str()), text).help(order));
            }
        }
    }
}

#[cfg(test)]
mod tests;
