// SPDX-License-Identifier: Apache-2.0
//! Reads the text of Debian's `/etc/network/interfaces` (interfaces(5)), which old config drives and Proxmox have.
//!
//! Several stanzas of an interface add up, `eth0:1` is another address of `eth0`. Nothing is run and no other file is
//! read: of commands only those that say what the model knows (`ip route add …`) are understood, the rest is reported.

mod command;
mod device;
pub(super) mod draft;
pub(super) mod stanza;

pub(super) use device::vlan;

use crate::finding::{Finding, Findings, Located, Origin};
use crate::network::interfaces::draft::Draft;
use crate::network::interfaces::stanza::{Entry, Stanza};
use crate::network::model::{Activation, NetworkConfig};
use crate::seed::Document;

/// The largest document that is read, in bytes; one with a hundred interfaces has a tenth of it.
const SIZE_LIMIT: usize = 256 << 10;
/// What a line may begin with that is no option of a stanza, and is not done.
const REFUSED: &[(&str, &str)] = &[
    ("source", "no other file is read"),
    ("source-directory", "no other file is read"),
    ("mapping", "mappings run a program"),
    ("template", "templates are not understood"),
    ("rename", "a `rename` line is not understood"),
    ("no-auto-down", ""),
    ("no-scripts", ""),
];

/// Reads the document; `None`, with findings, where nothing of it can be read.
pub fn read(document: &Document, findings: &mut Findings) -> Option<NetworkConfig> {
    let origin = document.origin();
    let text = match std::str::from_utf8(&document.bytes) {
        Ok(text) if text.len() <= SIZE_LIMIT => text,
        Ok(_) => {
            let message = format!("more than {} KiB; all of it is left out", SIZE_LIMIT >> 10);
            findings.push(Finding::error(&origin, message));
            return None;
        }
        Err(_) => {
            findings.push(Finding::error(&origin, "not UTF-8 text; all of it is left out"));
            return None;
        }
    };
    // An editor's byte order mark would hide the first word.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    findings.read(&origin, text);
    let mut draft = Draft::new(origin.clone());
    let mut activations = Vec::new();
    let mut current: Option<Stanza> = None;
    for line in lines(text, &origin) {
        let (word, rest) = split(&line.value);
        let refused = REFUSED.iter().find(|(refused, _)| *refused == word);
        let is_option = refused.is_none() && word != "iface" && word != "auto" && !word.starts_with("allow-");
        if is_option {
            let entry = Entry::new(word, rest, line.origin);
            match &mut current {
                Some(stanza) => stanza.entries.push(entry),
                None => findings.push(Finding::error(&entry.value.origin, format!("`{word}` outside of a stanza"))),
            }
            continue;
        }
        if let Some(stanza) = current.take() {
            stanza.apply(&mut draft, findings);
        }
        match (word, refused) {
            (_, Some((_, ""))) => {}
            (_, Some((_, reason))) => {
                findings.push(Finding::error(&line.origin, format!("left out: {reason}")));
                if ["mapping", "template"].contains(&word) {
                    current = Some(Stanza::new("", false, "", line.origin));
                }
            }
            ("iface", None) => current = head(rest, line.origin, findings),
            // Names of a class other than these two are brought up by whoever made the class.
            (class, None) => {
                let activation = match class {
                    "auto" | "allow-auto" => Activation::Auto,
                    "allow-hotplug" => Activation::Hotplug,
                    _ => continue,
                };
                activations.extend(rest.split_whitespace().map(|name| (name.to_owned(), activation)));
            }
        }
    }
    if let Some(stanza) = current {
        stanza.apply(&mut draft, findings);
    }
    for link in draft.links_mut() {
        let mut own = activations.iter().filter(|(name, _)| *name == link.id).map(|(_, activation)| *activation);
        let hotplug = own.clone().any(|activation| activation == Activation::Hotplug);
        link.activation = match own.next() {
            _ if hotplug => Activation::Hotplug,
            Some(activation) => activation,
            None => Activation::Manual,
        };
    }
    Some(draft.finish(findings))
}

/// The lines that say something, continued ones (`\`) joined; each with its place.
fn lines<'a>(text: &'a str, origin: &'a Origin) -> impl Iterator<Item = Located<String>> + 'a {
    let mut numbered = text.lines().enumerate();
    std::iter::from_fn(move || {
        loop {
            let (number, line) = numbered.next()?;
            let begin = line.trim_start();
            // A comment ends at its line's end, whatever it ends with.
            if begin.is_empty() || begin.starts_with('#') {
                continue;
            }
            let column = line.len() - begin.len();
            let mut joined = begin.trim_end().to_owned();
            while let Some(continued) = joined.strip_suffix('\\') {
                joined = continued.to_owned();
                let Some((_, next)) = numbered.next() else { break };
                joined.push(' ');
                joined.push_str(next.trim());
            }
            return Some(Located::new(joined, origin.at(number + 1, column + 1)));
        }
    })
}

/// The first word, and what is behind it.
fn split(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim())
}

/// `iface NAME FAMILY METHOD`.
fn head(rest: &str, origin: Origin, findings: &mut Findings) -> Option<Stanza> {
    let mut words = rest.split_whitespace();
    let (name, family, method) = (words.next(), words.next(), words.next());
    let inet6 = match family {
        Some("inet") => false,
        Some("inet6") => true,
        _ => {
            let message = "expected `iface NAME inet|inet6 METHOD`; the stanza is left out";
            findings.push(Finding::error(&origin, message));
            // What belongs to it is read, so that it is not taken as its neighbour's, and goes nowhere.
            return Some(Stanza::new("", false, "", origin));
        }
    };
    if words.next().is_some() {
        findings.push(Finding::warning(&origin, "what is behind the method is ignored"));
    }
    Some(Stanza::new(name.unwrap_or_default(), inet6, method.unwrap_or("manual"), origin))
}

#[cfg(test)]
mod tests;
