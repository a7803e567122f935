// SPDX-License-Identifier: Apache-2.0
//! NoCloud's meta-data on one line: `ds=nocloud;i=web-1;h=web-1.example;s=file:///srv/seed/`, a word of the kernel's command
//! line or of the firmware's serial number.
//!
//! As cloud-init's `DataSourceNoCloud.parse_cmdline_data`; here also in any case, in quotes, and with the backslashes
//! that a boot loader's configuration leaves before the semicolons.

use crate::config::document::{Data, Node, Scalar};
use crate::finding::Origin;

/// Short names and what they stand for.
const SHORT: [(&str, &str); 3] = [("h", "local-hostname"), ("i", "instance-id"), ("s", "seedfrom")];
/// How many keys are taken.
const MAX_KEYS: usize = 100;

/// The word of `text` that is such a line; of several the last, quotes taken off. A quoted value may hold blanks.
pub fn find(text: &str) -> Option<String> {
    words(text).into_iter().rfind(|word| pairs(word).is_some())
}

/// The words of a command line: blanks between quotes belong to the word, and the quotes to nothing, as the kernel has it.
pub fn words(text: &str) -> Vec<String> {
    let mut quoted = false;
    let ends = |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    };
    text.split(ends).filter(|word| !word.is_empty()).map(|word| word.replace('"', "")).collect()
}

/// The line as a mapping; `None` where it is none.
pub(super) fn parse(line: &str, document: &Origin) -> Option<Node> {
    let scalar = |text: &str, origin: &Origin| {
        let scalar = Scalar { text: text.to_owned(), plain: false, tag: None };
        Node { origin: origin.clone(), data: Data::Scalar(scalar) }
    };
    let entry = |(key, value): (&str, &str)| {
        let origin = document.key(key);
        (scalar(key, &origin), scalar(value, &origin))
    };
    let entries = pairs(line)?.into_iter().map(entry).collect();
    Some(Node { data: Data::Mapping(entries), origin: document.clone() })
}

/// The keys of the line by their long names; of a key that stands there twice the last counts. What is no pair is passed over.
fn pairs(line: &str) -> Option<Vec<(&str, &str)>> {
    let mut parts = line.trim().trim_matches('"').split(';').map(|part| part.trim_end_matches('\\'));
    let (key, name) = parts.next()?.split_once('=')?;
    let is_ours = ["nocloud", "nocloud-net"].iter().any(|ours| name.trim_matches('"').eq_ignore_ascii_case(ours));
    if key != "ds" || !is_ours {
        return None;
    }
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (key, value) in parts.filter_map(|part| part.split_once('=')).take(MAX_KEYS) {
        let key = SHORT.iter().find(|(short, _)| *short == key).map_or(key, |(_, long)| long);
        pairs.retain(|(known, _)| *known != key);
        pairs.push((key, value));
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let line = find(text)?;
        let pairs = pairs(&line)?;
        Some(pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_line_is_found_in_any_case_and_in_quotes() {
        let long = Some("instance-id=i-1 local-hostname=web seedfrom=file:///a/".to_owned());
        for text in [
            "ro ds=nocloud;i=i-1;h=web;s=file:///a/ quiet",
            "ds=NoCloud-Net;instance-id=i-1;local-hostname=web;seedfrom=file:///a/",
            "ds=\"nocloud;i=i-1;h=web;s=file:///a/\"",
            "\"ds=nocloud;i=i-1;h=web;s=file:///a/\"",
            "ds=nocloud\\;i=i-1\\;h=web\\;s=file:///a/",
            "ds=nocloud;h=old ds=nocloud;i=i-0;i=i-1;nonsense;h=web;s=file:///a/",
        ] {
            assert_eq!(shown(text), long, "{text}");
        }
        assert_eq!(shown("ds=nocloud").as_deref(), Some(""));
        assert_eq!(shown("ds=\"nocloud;s=/a b/\" x").as_deref(), Some("seedfrom=/a b/"));
        for text in ["", "ds=", "ds=nocloudy", "ds=configdrive;i=1", "xds=nocloud", "nocloud", ";", "ci.ds=nocloud"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn words_keep_what_is_quoted() {
        assert_eq!(words(" a=\"b c\"  d\n\"e f\"=g"), ["a=b c", "d", "e f=g"]);
        assert_eq!(words("a \"b c"), ["a", "b c"]);
    }
}
