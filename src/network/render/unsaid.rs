// SPDX-License-Identifier: Apache-2.0
//! What a manager has no word for, gathered while its files are written.

use crate::finding::{Finding, Findings, Origin};
use crate::network::model::{Address, Given, Link, Overrides};
use crate::network::render::{Renderer, inexpressible};

/// Reports for one renderer what it leaves out.
pub(super) struct Unsaid<'a> {
    renderer: Renderer,
    findings: &'a mut Findings,
}

impl<'a> Unsaid<'a> {
    /// For this renderer.
    pub fn new(renderer: Renderer, findings: &'a mut Findings) -> Self {
        Self { renderer, findings }
    }

    /// Whether an earlier link has written the files of `name` already; those of `link` would take their place, which is
    /// reported.
    pub fn is_again(&mut self, link: &Link, name: Option<&str>, written: &mut Vec<String>) -> bool {
        let Some(name) = name else { return false };
        if written.iter().any(|other| other == name) {
            let message = format!("`{name}` is another link's already; what `{}` says is left out", link.id);
            self.findings.push(Finding::error(&link.origin, message));
            return true;
        }
        written.push(name.to_owned());
        false
    }

    /// Reports `what` was asked for at `origin`.
    pub fn say(&mut self, origin: &Origin, what: &str) {
        self.findings.push(inexpressible(self.renderer, origin, what));
    }

    /// Where `given` is there, reports it.
    pub fn given<T>(&mut self, given: &Given<T>, what: &str) {
        given.iter().for_each(|given| self.say(&given.origin, what));
    }

    /// Where `given` is not the manager's way already, reports it.
    pub fn unless(&mut self, usual: bool, given: &Given<bool>, what: &str) {
        given.iter().filter(|given| given.value != usual).for_each(|given| self.say(&given.origin, what));
    }

    /// Of an answer's domains managers search in all that they use.
    pub fn domains(&mut self, overrides: &Overrides) {
        let domains = overrides.use_domains.iter().filter(|domains| domains.value != "true");
        domains.for_each(|domains| self.say(&domains.origin, "which of DHCP's domains are used"));
    }

    /// What of an address is more than the address.
    pub fn address(&mut self, address: &Address, origin: &Origin, label: bool) {
        if label && address.label.is_some() {
            self.say(origin, "an address's label");
        }
        if address.deprecated {
            self.say(origin, "an address's lifetime");
        }
    }
}
