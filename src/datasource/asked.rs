// SPDX-License-Identifier: Apache-2.0
//! Which datasources somebody asks for: the image's settings, the kernel's command line, the firmware's serial number.

use crate::config::base::DatasourceName;
use crate::datasource::{Context, DATASOURCES, Datasource, none};
use crate::finding::{Finding, Findings, Located};
use crate::guest::Guest;
use crate::instance::nocloud::line;
use crate::instance::without_secrets;

/// The words of `text` that name a datasource, cloud-init's too: `ds=configdrive`. They stand on the kernel's command line,
/// or as the firmware's serial number, which a person can set where the command line is the image's own.
pub fn words(text: &str) -> Vec<String> {
    let keys = ["ds=", "ci.ds=", "ci.datasource=", "firstlight.datasource="];
    line::words(text).into_iter().filter(|word| keys.iter().any(|key| word.starts_with(key))).collect()
}

/// Who asks for a datasource by one of these names, as a clause.
pub(super) fn asked_for(guest: &Guest, names: &[&str]) -> Option<String> {
    let asks = |word: &String| {
        let (_, value) = word.split_once('=').unwrap_or_default();
        let source =
            value.split([';', ',', '\\']).next().unwrap_or_default().to_ascii_lowercase().replace(['-', '_'], "");
        names.contains(&source.as_str())
    };
    let places = [
        ("the kernel's command line", &guest.command_line),
        ("the firmware's serial number", &guest.dmi.product_serial),
    ];
    places.into_iter().find_map(|(place, text)| {
        let word = words(text).into_iter().rfind(asks)?;
        Some(format!("{place} says `{}`", without_secrets(&word)))
    })
}

/// The datasources to ask, in order.
pub(super) fn wanted(context: &Context, findings: &mut Findings) -> Vec<&'static Datasource> {
    let Some(names) = context.named() else {
        return DATASOURCES.iter().filter(|datasource| datasource.name != none::NAME).collect();
    };
    let mut wanted: Vec<&Datasource> = Vec::new();
    for Located { value: DatasourceName(name), origin } in names {
        match DATASOURCES.iter().find(|datasource| datasource.name == *name) {
            Some(_) if wanted.iter().any(|other| other.name == *name) => {
                let text =
                    format!("the datasource `{name}` is named once more; it is looked for once, at its first place");
                findings.push(Finding::note(origin, text));
            }
            Some(datasource) => wanted.push(datasource),
            // Each name that the settings may say has one.
            None => {}
        }
    }
    wanted
}
