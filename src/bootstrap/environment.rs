// SPDX-License-Identifier: Apache-2.0
//! The instance's properties for the script, from the environment file that the agent keeps for other units.

use crate::root::{Root, Tree as _};
use crate::state;

const PREFIX: &str = "FIRSTLIGHT_META_";

/// The properties; none where the file is not there. What is not a property is left out: the file is no way to set `PATH`.
pub fn metadata(root: &Root) -> Vec<(String, String)> {
    match root.read_text(state::METADATA.as_ref()) {
        Ok(text) => assignments(&text.unwrap_or_default()).filter(|(name, _)| name.starts_with(PREFIX)).collect(),
        Err(error) => {
            log::warn!("{error}; the script runs without the instance's properties");
            Vec::new()
        }
    }
}

/// `NAME=VALUE` lines, quoted as for systemd and sh.
fn assignments(text: &str) -> impl Iterator<Item = (String, String)> {
    let mut rest = text.chars();
    std::iter::from_fn(move || {
        loop {
            let name: String = rest.by_ref().take_while(|c| *c != '=').collect();
            if rest.as_str().is_empty() && name.is_empty() {
                return None;
            }
            // A comment or a line without `=` ends before the name that was found.
            let name = name.rsplit('\n').next().unwrap_or_default().trim().to_owned();
            let value = value(&mut rest);
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.is_empty() && name.chars().all(plain) && !value.contains('\0') {
                return Some((name, value));
            }
        }
    })
}

/// A value to the end of its line, its quotes taken off.
fn value(rest: &mut std::str::Chars) -> String {
    let mut value = String::new();
    let mut quote = None;
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, '\n') => break,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '\\') => value.extend(rest.next().filter(|c| *c != '\n')),
            (Some('"'), '\\') => match rest.next() {
                Some('\n') | None => (),
                Some(c @ ('"' | '\\' | '$' | '`')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
            },
            (_, c) => value.push(c),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_sh_reads() {
        let text = r#"
# a comment with = in it
FIRSTLIGHT_META_A='it'\''s "x"'
FIRSTLIGHT_META_B="a \"b\" \$c \d"
FIRSTLIGHT_META_C=plain
FIRSTLIGHT_META_D='two
lines'
nonsense
FIRSTLIGHT_META_E="#;
        let ours: Vec<_> = assignments(text).filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let script =
            format!("{text}\nfor v in A B C D E; do eval printf %s '\"$FIRSTLIGHT_META_'$v'\"'; printf '|'; done");
        let sh = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        let values: String = ours.iter().map(|(_, value)| format!("{value}|")).collect();
        assert_eq!(values, String::from_utf8_lossy(&sh.stdout));
        assert_eq!(ours.len(), 5);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_quoted_for_sh_comes_back(values in prop::collection::vec("[^\0]{0,12}", 0..5)) {
            let text: String = values.iter().map(|value| format!("V='{}'\n", value.replace('\'', r"'\''"))).collect();
            let found: Vec<String> = assignments(&text).map(|(_, value)| value).collect();
            prop_assert_eq!(found, values);
        }

        #[test]
        fn no_text_holds_it(text in any::<String>()) {
            prop_assert!(assignments(&text).count() <= text.len());
        }
    }
}
