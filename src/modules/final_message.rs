// SPDX-License-Identifier: Apache-2.0
//! Final message: a line on the console when everything is done, in each boot.
//!
//! Key as cloud-init's `cc_final_message`: `$uptime`, `$timestamp`, `$version` and `$datasource`, also in capitals and in
//! Jinja. The default has the words that scrapers of consoles look for: "finished at".

use serde_json::{Map, Value};

use crate::config::template::{self, Purpose};
use crate::finding::{Located, Origin};
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Action;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "final_message", stage: Stage::Final, frequency: Frequency::PerBoot, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// The text, with `$uptime`, `$timestamp`, `$version` and `$datasource`, or the same in Jinja: `{{ uptime }}`.
        final_message: Located<String>,
    }
}

const DEFAULT: &str = "Firstlight v. $version finished at $timestamp. Datasource $datasource.  Up $uptime seconds";

fn plan(input: &Input, planner: &mut Planner) {
    let asked = Keys::take(input.config, &mut planner.findings).final_message.filter(|text| !text.trim().is_empty());
    let message = asked.unwrap_or_else(|| Located::new(DEFAULT.to_owned(), Origin::document("the default message")));
    // What is only known at its moment stays a variable until then.
    let known = [
        ("uptime", "$uptime"),
        ("timestamp", "$timestamp"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("datasource", input.datasource),
    ];
    let mut text = message.value.clone();
    if text.contains("{{") || text.contains("{%") {
        let spellings =
            known.iter().flat_map(|(name, value)| [(name.to_string(), value), (name.to_uppercase(), value)]);
        let context = Value::Object(spellings.map(|(name, value)| (name, Value::from(*value))).collect::<Map<_, _>>());
        let rendered = template::render(&text, &message.origin, &context, Purpose::UserData, &mut planner.findings);
        text = rendered.unwrap_or(text);
    }
    for (name, value) in known {
        let upper = name.to_uppercase();
        for spelling in [format!("${{{name}}}"), format!("${upper}"), format!("${{{upper}}}"), format!("${name}")] {
            text = text.replace(&spelling, value);
        }
    }
    planner.step("final_message", &message.origin).action(Action::Message(text.trim().to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    fn said(config: &str) -> String {
        let outcome = Bench::new(config).plan(plan);
        assert!(outcome.findings.is_empty());
        let [Action::Message(text)] = &outcome.step("final_message").actions[..] else { panic!() };
        text.clone()
    }

    #[test]
    fn every_spelling_is_filled_in() {
        let version = env!("CARGO_PKG_VERSION");
        for (text, expected) in [
            ("$UPTIME ${timestamp} ${DATASOURCE}", "$uptime $timestamp testing"),
            ("'{{uptime}} {{ TIMESTAMP }} {{datasource | upper}}'", "$uptime $timestamp TESTING"),
            ("'{% if datasource %}up{% endif %} $uptime'", "up $uptime"),
            ("|\n  ## template: jinja\n  one {{uptime}}\n  two\n", "one $uptime\ntwo"),
            ("costs $5", "costs $5"),
        ] {
            assert_eq!(said(&format!("final_message: {text}")), expected);
        }
        assert_eq!(said("final_message: v$version"), format!("v{version}"));
    }

    #[test]
    fn without_a_text_it_has_the_words_that_scrapers_look_for() {
        for nothing in ["a: b", "final_message: ''", "final_message: ~"] {
            let text = said(nothing);
            assert!(text.contains(" finished at $timestamp. Datasource testing.  Up $uptime seconds"), "{text}");
        }
    }
}
