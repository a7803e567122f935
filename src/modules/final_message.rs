// SPDX-License-Identifier: Apache-2.0
//! Final message: a line on the console when everything is done.
//!
//! Key as cloud-init's `cc_final_message`: `$uptime`, `$timestamp`, `$version` and `$datasource`, also in capitals and
//! as `{{uptime}}`.

use crate::finding::Located;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::Action;
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "final_message", stage: Stage::Final, frequency: Frequency::PerBoot, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// The text, with `$uptime`, `$timestamp`, `$version` and `$datasource`.
        final_message: Located<String>,
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(message) = Keys::take(input.config, &mut planner.findings).final_message else { return };
    let known = [("version", env!("CARGO_PKG_VERSION")), ("datasource", input.datasource)];
    let text =
        known.iter().fold(one_spelling(&message), |text, (name, value)| text.replace(&format!("${name}"), value));
    planner.step("final_message", &message.origin).action(Action::Message(text));
}

/// Every spelling of a variable as `$name`, so that the moment's values are filled in at one place.
fn one_spelling(text: &str) -> String {
    ["uptime", "timestamp", "version", "datasource"].iter().fold(text.to_owned(), |text, name| {
        let upper = name.to_uppercase();
        [
            format!("{{{{{name}}}}}"),
            format!("{{{{ {name} }}}}"),
            format!("${{{name}}}"),
            format!("${upper}"),
            format!("${{{upper}}}"),
        ]
        .iter()
        .fold(text, |text, spelling| text.replace(spelling, &format!("${name}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one() {
        assert_eq!(
            one_spelling("$UPTIME {{ timestamp }} ${version} {{datasource}}"),
            "$uptime $timestamp $version $datasource"
        );
    }
}
