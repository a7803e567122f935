// SPDX-License-Identifier: Apache-2.0
//! The manual page of all keys of cloud-config, from the types that read them.

use std::fmt::Write as _;

use firstlight::config::read::{Key, Kind};
use firstlight::modules::{MODULES, Module};
use firstlight::plan::step::Frequency;
use firstlight::userdata::Layers;

/// firstlight-cloud-config(5) as roff.
pub fn page() -> String {
    let mut page = String::from(
        ".TH firstlight-cloud-config 5\n.SH NAME\nfirstlight\\-cloud\\-config \\- keys of user-data that firstlight applies\n\
         .SH DESCRIPTION\nUser-data that begins with the line #cloud-config is YAML with the keys below, each of which may be \
         left out. A key of a mapping may be written with hyphens in place of underscores. What does not fit is reported \
         with its line and leaves the rest alone: see firstlight-check(1).\n",
    );
    let mut told: Vec<&str> = Vec::new();
    for module in MODULES.iter().filter(|module| !module.keys.is_empty()) {
        // Some topics have two turns in the boot.
        if !told.contains(&module.name) {
            told.push(module.name);
            section(module, &mut page);
        }
    }
    page.push_str(".SH layers\nHow the documents of the image, the vendor and the user come together.\n");
    keys(Layers::KEYS, &mut page);
    page
}

fn section(module: &Module, page: &mut String) {
    let often = match module.frequency {
        Frequency::PerInstance => "once for each instance",
        Frequency::PerBoot => "at each boot",
        Frequency::Once => "once on this disk",
    };
    let _ = write!(page, ".SH {}\nIn the {} stage, {often}.\n", plain(module.name), module.stage.name());
    keys(module.keys, page);
}

fn keys(keys: &[Key], page: &mut String) {
    for key in keys {
        let kind = (key.kind)();
        let _ = write!(
            page,
            ".TP\n.BR {} \" ({})\"\n{}\n",
            plain(key.name),
            plain(&kind.to_string()),
            plain(key.doc.trim())
        );
        below(&kind, page);
    }
}

/// The keys of the mappings that may stand there, indented.
fn below(kind: &Kind, page: &mut String) {
    match kind {
        Kind::Keys(known) if !known.is_empty() => {
            page.push_str(".RS\n");
            keys(known, page);
            page.push_str(".RE\n");
        }
        Kind::List(item) | Kind::Named(item) => below(item, page),
        Kind::OneOf(kinds) => kinds.iter().for_each(|kind| below(kind, page)),
        _ => {}
    }
}

/// Text that roff takes for nothing else.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    text.lines()
        .map(str::trim)
        .map(|line| match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}"),
            false => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}
