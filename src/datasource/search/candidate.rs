// SPDX-License-Identifier: Apache-2.0
//! A datasource on its way through a search: what was seen of it, and what came of fetching it.

use std::time::Instant;

use crate::datasource::{Certainty, Context, Datasource, Fetched, Outcome, Service, Tried};
use crate::error::Result;
use crate::finding::{Findings, Origin};

/// A datasource on the way to its outcome.
pub(super) struct Candidate {
    pub(super) datasource: &'static Datasource,
    pub(super) certainty: Certainty,
    /// It is on a server.
    pub(super) is_remote: bool,
    /// Nothing more comes of it.
    pub(super) is_over: bool,
    /// What the first way said that ended with an unusable answer, and the reason: another one may lead to the real server.
    unusable: Option<(Findings, String)>,
    pub(super) tried: Tried,
}

impl Candidate {
    /// One look. A datasource that the settings name alone is expected in any case.
    pub(super) fn look(datasource: &'static Datasource, context: &Context) -> Self {
        let start = Instant::now();
        let mut probe = (datasource.probe)(context);
        if context.is_certain() && matches!(probe.certainty, Certainty::Unlikely | Certainty::Possible) {
            probe.certainty = Certainty::Expected;
            probe.reason += "; but the image's settings name it alone";
        }
        let (name, reason) = (datasource.name.to_owned(), probe.reason);
        let tried = Tried { name, outcome: Outcome::Absent, reason, took: start.elapsed() };
        let is_remote = datasource.is_remote;
        Self { datasource, certainty: probe.certainty, is_remote, is_over: false, unusable: None, tried }
    }

    /// Whether its medium may still come.
    pub(super) fn is_late(&self) -> bool {
        self.certainty == Certainty::Expected && !self.is_over && !self.is_remote
    }

    /// Whether a server is to be asked for it.
    pub(super) fn is_to_ask(&self) -> bool {
        self.is_remote && !self.is_over && self.certainty >= Certainty::Possible
    }

    pub(super) fn end(&mut self, outcome: Outcome, reason: impl Into<String>) {
        self.is_over = true;
        (self.tried.outcome, self.tried.reason) = (outcome, reason.into());
    }

    /// Says that it is unusable, where a server said so and no other way led to a better one.
    pub(super) fn end_unusable(&mut self, findings: &mut Findings) -> bool {
        let Some((said, reason)) = self.unusable.take() else { return false };
        findings.extend(said.iter().cloned());
        self.end(Outcome::Failed, reason);
        true
    }

    /// Fetches it, from a server if one is given. What may still come of it is the caller's to say where that fails.
    pub(super) fn fetch(
        &mut self,
        context: &Context,
        service: Option<&Service>,
        findings: &mut Findings,
    ) -> Result<Fetched> {
        let start = Instant::now();
        // However often it is asked, what it says is said once.
        let mut said = Findings::default();
        let fetched = (self.datasource.fetch)(context, service, &mut said);
        self.tried.took += start.elapsed();
        match &fetched {
            Ok(fetched) => self.end(Outcome::Found, fetched.seed.place.clone()),
            Err(error) if error.is_transient() || error.is_absent() => return fetched,
            Err(error) => {
                said.push(error.finding(&Origin::document(self.datasource.name)));
                let reason = error.without_advice();
                if service.is_some() {
                    self.unusable.get_or_insert((said, reason));
                    return fetched;
                }
                self.end(Outcome::Failed, reason);
            }
        }
        findings.extend(said);
        fetched
    }
}
