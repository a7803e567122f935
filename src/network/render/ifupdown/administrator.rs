// SPDX-License-Identifier: Apache-2.0
//! The administrator's files as ours needs them: our directory included, no stanza of our interfaces.

use crate::network::glob;
use crate::network::render::ifupdown::{DIRECTORY, PATH};

/// The administrator's file as ours needs it: ours included, no stanza of our interfaces.
pub fn adapt(text: &str, names: &[String]) -> String {
    with_source(&without_stanzas(text, names))
}

/// `/etc/network/interfaces` such that it includes our file; that alone, as the pieces beside it may be included already
/// by another pattern (`*.cfg`), and what is read twice adds up.
fn with_source(text: &str) -> String {
    let sourced = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("source"), Some(what)) => {
                glob::fits(what, PATH) || PATH.strip_prefix("/etc/network/").is_some_and(|path| glob::fits(what, path))
            }
            (Some("source-directory"), Some(what)) => matches!(what.trim_end_matches('/'), DIRECTORY | "interfaces.d"),
            _ => false,
        }
    });
    match text {
        _ if sourced => text.to_owned(),
        "" => format!("source {PATH}\n"),
        _ => format!("{}\n\nsource {PATH}\n", text.trim_end_matches('\n')),
    }
}

/// The same text with the stanzas of `names` made comments: ifupdown adds up all stanzas of an interface, so that an
/// image's `iface ens3 inet dhcp` would run beside the address that the platform gave.
pub fn without_stanzas(text: &str, names: &[String]) -> String {
    let mut ours = false;
    let mut continued = false;
    let mut result = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut words = line.split_whitespace();
        match words.next() {
            _ if continued => {}
            Some("iface") => ours = words.next().is_some_and(|name| names.iter().any(|other| other == name)),
            Some("auto" | "mapping" | "source" | "source-directory" | "rename" | "template") => ours = false,
            Some(word) if word.starts_with("allow-") || word.starts_with("no-auto-") => ours = false,
            Some(_) | None => {}
        }
        let is_comment = line.trim_start().starts_with('#') && !continued;
        if ours && !is_comment && !line.trim().is_empty() {
            result.push_str("#firstlight# ");
        }
        result.push_str(line);
        continued = !is_comment && line.trim_end_matches('\n').ends_with('\\');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "# The loopback network interface\nauto lo\niface lo inet loopback\n\nallow-hotplug ens3\n\
                          iface ens3 inet dhcp\n    up logger \\\n  iface\n\niface ens4 inet manual\n";

    #[test]
    fn our_file_is_included_once() {
        let with = with_source(DEBIAN);
        assert!(
            with.starts_with(DEBIAN.trim_end())
                && with.ends_with("\n\nsource /etc/network/interfaces.d/50-firstlight\n")
        );
        assert_eq!(with_source(&with), with);
        assert_eq!(with_source(""), "source /etc/network/interfaces.d/50-firstlight\n");
        for included in ["source-directory /etc/network/interfaces.d/\n", "  source interfaces.d/*\n"] {
            assert_eq!(with_source(included), included);
        }
        let others = "source /etc/network/interfaces.d/*.cfg\n";
        assert_eq!(with_source(others), format!("{others}\nsource /etc/network/interfaces.d/50-firstlight\n"));
    }

    #[test]
    fn an_older_stanza_of_our_interface_is_made_a_comment_and_no_other() {
        let without = without_stanzas(DEBIAN, &["ens3".to_owned()]);
        assert_eq!(
            without,
            "# The loopback network interface\nauto lo\niface lo inet loopback\n\nallow-hotplug ens3\n#firstlight# iface \
             ens3 inet dhcp\n#firstlight#     up logger \\\n#firstlight#   iface\n\niface ens4 inet manual\n"
        );
        assert_eq!(without_stanzas(&without, &["ens3".to_owned()]), without);
    }
}
