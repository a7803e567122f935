// SPDX-License-Identifier: Apache-2.0
//! How a type is read from a document: what does not fit becomes a finding with its place, and its neighbours are kept.

use std::marker::PhantomData;

use crate::config::document::{Data, Node, Value};
pub use crate::config::kind::{Key, Kind};
use crate::finding::{Finding, Findings, Located};

/// A type that can stand in a document.
pub trait Read: Sized {
    /// The type as documentation and messages name it.
    fn kind() -> Kind;
    /// Reads it; what does not fit goes to `findings` and gives `None`.
    fn read(node: &Node, findings: &mut Findings) -> Option<Self>;
}

/// Declares a mapping: each field is a key, each doc comment its documentation, each type what may stand there.
///
/// Every key is optional (`Option<T>`); `null` is the same as leaving it out, as for the peers. A hyphen in a key is
/// read as an underscore, so that `ssh-authorized-keys` works as it does in cloud-init. A key that is a word of Rust is
/// written `r#type`.
#[macro_export]
macro_rules! keys {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        $visibility struct $name { $($(#[doc = $doc])+ pub $field: Option<$type>,)* }

        impl $name {
            /// The keys, documented.
            pub const KEYS: &'static [$crate::config::read::Key] = &[$($crate::config::read::Key {
                name: $crate::config::read::key_name(stringify!($field)),
                doc: concat!($($doc, "\n"),+),
                kind: <$type as $crate::config::read::Read>::kind,
            }),*];

            /// These keys where they are given, else those of `base`.
            #[allow(dead_code)]
            pub fn over(self, base: Self) -> Self {
                Self { $($field: self.$field.or(base.$field),)* }
            }

            /// Reads these keys from a mapping and leaves others alone.
            pub fn take(node: &$crate::config::document::Node, findings: &mut $crate::finding::Findings) -> Self {
                Self { $($field: $crate::config::read::field(
                    node, $crate::config::read::key_name(stringify!($field)), findings,
                ),)* }
            }
        }

        impl $crate::config::read::Read for $name {
            fn kind() -> $crate::config::read::Kind {
                $crate::config::read::Kind::Keys(Self::KEYS)
            }

            fn read(node: &$crate::config::document::Node, findings: &mut $crate::finding::Findings) -> Option<Self> {
                $crate::config::read::known_keys(node, Self::KEYS, findings)?;
                Some(Self::take(node, findings))
            }
        }
    };
}

/// A field's name as the key that it stands for.
pub const fn key_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// The value of one key: `None` where it is left out, null or (with a finding) unfit.
pub fn field<T: Read>(node: &Node, name: &str, findings: &mut Findings) -> Option<T> {
    let (_, value) = node.entries().iter().rev().find(|(key, _)| key.text().is_some_and(|key| same_key(key, name)))?;
    if value.is_null() { None } else { T::read(value, findings) }
}

/// Says of each key that is not among `keys` that it is unknown; `None` where `node` is no mapping.
pub fn known_keys(node: &Node, keys: &[Key], findings: &mut Findings) -> Option<()> {
    let Data::Mapping(entries) = &node.data else {
        return unfit(node, &Kind::Keys(&[]), findings);
    };
    for (key, _) in entries {
        let name = key.text().unwrap_or_default();
        if keys.iter().all(|known| !same_key(name, known.name)) {
            let unknown = Finding::error(&key.origin, format!("unknown key `{name}`; it is left out"));
            let names: Vec<&str> = keys.iter().map(|known| known.name).collect();
            let unknown = unknown.help(format!("known here: {}", names.join(", ")));
            findings.push(unknown.did_you_mean(&name.replace('-', "_"), names));
        }
    }
    Some(())
}

/// Says of the keys of a mapping that are written with hyphens, where that is an old way, what they are called.
pub fn warn_of_hyphens(node: &Node, findings: &mut Findings) {
    for (key, _) in node.entries() {
        if let Some(old) = key.text().filter(|name| name.contains('-')) {
            let warning = Finding::warning(&key.origin, format!("`{old}` is deprecated, and read all the same"));
            findings.push(warning.help(format!("write `{}`", old.replace('-', "_"))));
        }
    }
}

/// Says of a plain scalar that is taken as it is written where the peer, and other programs, see something else. Its
/// text is not told: it may be a secret.
pub fn warn_of_other_text(node: &Node, findings: &mut Findings) {
    let text = node.text().unwrap_or_default();
    let what = match node.value() {
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Integer(_)) if text.contains(':') => "a number in base 60",
        Some(Value::Integer(number)) if number.to_string() != text => "a number, and another one",
        _ => return,
    };
    let message = format!("without quotes this is {what} to cloud-init; here it is the text as it is written");
    findings.push(Finding::warning(&node.origin, message).help("put it in quotes"));
}

/// Reads one of a few `words`; upper case, hyphens and underscores make no difference.
pub fn one_of(node: &Node, words: &'static [&'static str], findings: &mut Findings) -> Option<&'static str> {
    let bare = |word: &str| word.to_ascii_lowercase().replace(['-', '_'], "");
    let Some(written) = node.text().filter(|_| !node.is_null()) else {
        return unfit(node, &Kind::Word(words), findings);
    };
    let known = words.iter().copied().find(|word| bare(word) == bare(written));
    if known.is_none() {
        let unknown = Finding::error(&node.origin, format!("`{written}` is not known here; it is left out"));
        let unknown = unknown.help(format!("one of: {}", words.join(", ")));
        findings.push(unknown.did_you_mean(&written.to_ascii_lowercase(), words.iter().copied()));
    }
    known
}

/// Whether a key is the one of that name; hyphens are read as underscores.
pub fn same_key(written: &str, name: &str) -> bool {
    written == name || (written.contains('-') && written.replace('-', "_") == name)
}

/// Says that `node` is not of `kind`.
pub fn unfit<T>(node: &Node, kind: &Kind, findings: &mut Findings) -> Option<T> {
    findings.push(Finding::error(&node.origin, format!("expected {kind}, found {}", node.described())));
    None
}

impl<T: Read> Read for Located<T> {
    fn kind() -> Kind {
        T::kind()
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        T::read(node, findings).map(|value| Located::new(value, node.origin.clone()))
    }
}

/// A list keeps what fits.
impl<T: Read> Read for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.items() {
            Some(items) => Some(items.iter().filter_map(|item| T::read(item, findings)).collect()),
            None => unfit(node, &Self::kind(), findings),
        }
    }
}

/// As it stands.
impl Read for Node {
    fn kind() -> Kind {
        Kind::Any
    }

    fn read(node: &Node, _: &mut Findings) -> Option<Self> {
        Some(node.clone())
    }
}

/// What a value may look like, for documentation and schema.
pub trait Form {
    /// As [`Read::kind`].
    fn form() -> Kind;
}

impl<T: Read> Form for T {
    fn form() -> Kind {
        T::kind()
    }
}

/// A value of the form `T` that its module reads itself.
#[derive(Debug, Clone)]
pub struct Raw<T>(pub Node, PhantomData<T>);

impl<T: Form> Read for Raw<T> {
    fn kind() -> Kind {
        T::form()
    }

    fn read(node: &Node, _: &mut Findings) -> Option<Self> {
        Some(Self(node.clone(), PhantomData))
    }
}

impl<T> std::ops::Deref for Raw<T> {
    type Target = Node;
    fn deref(&self) -> &Node {
        &self.0
    }
}

/// The text as written, whatever YAML would make of it: `22:22`, `0644` and `1.10` stay what they are.
impl Read for String {
    fn kind() -> Kind {
        Kind::Scalar("a string")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.value() {
            None | Some(Value::Null) => unfit(node, &Self::kind(), findings),
            Some(Value::Text(text)) => Some(text),
            Some(Value::Binary(bytes)) => {
                String::from_utf8(bytes).ok().or_else(|| unfit(node, &Self::kind(), findings))
            }
            Some(_) => {
                warn_of_other_text(node, findings);
                node.text().map(str::to_owned)
            }
        }
    }
}

/// YAML 1.1's booleans, and the same words in quotes, as cloud-init's `translate_bool` takes them.
impl Read for bool {
    fn kind() -> Kind {
        Kind::Boolean
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.value() {
            Some(Value::Bool(value)) => Some(value),
            Some(Value::Integer(0)) => Some(false),
            Some(Value::Integer(1)) => Some(true),
            Some(Value::Text(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => unfit(node, &Self::kind(), findings),
            },
            _ => unfit(node, &Self::kind(), findings),
        }
    }
}

/// A whole number, also in quotes: `uid: "1000"`.
macro_rules! read_integers {
    ($($type:ty),*) => { $(
        impl Read for $type {
            fn kind() -> Kind {
                Kind::Integer
            }

            fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
                let number = match node.value() {
                    Some(Value::Integer(number)) => number,
                    Some(Value::Text(text)) => match text.trim().parse() {
                        Ok(number) => number,
                        Err(_) => return unfit(node, &Self::kind(), findings),
                    },
                    _ => return unfit(node, &Self::kind(), findings),
                };
                Self::try_from(number).map_err(|_| {
                    let range = format!("{number} is out of range: {} to {}", Self::MIN, Self::MAX);
                    findings.push(Finding::error(&node.origin, range));
                }).ok()
            }
        }
    )* };
}

read_integers!(u16, u32, u64, i64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;

    crate::keys! {
        /// Keys for these tests.
        struct Keys {
            /// A word of Rust.
            r#type: String,
            /// A list.
            ssh_authorized_keys: Vec<Located<String>>,
            /// A number.
            uid: u32,
            /// A switch.
            lock_passwd: bool,
        }
    }

    fn read(text: &str) -> (Keys, Vec<String>) {
        let mut findings = Findings::default();
        let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
        let keys = Keys::read(&node, &mut findings).unwrap_or_default();
        (keys, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keys_are_read_by_type_and_what_is_unfit_is_found() {
        let (keys, findings) =
            read("type: hash\nssh-authorized-keys: [a, [b], 0644]\nuid: \"1000\"\nlock_passwd: \"no\"\n");
        assert_eq!(keys.r#type.as_deref(), Some("hash"));
        let lines: Vec<_> = keys.ssh_authorized_keys.unwrap().into_iter().map(|key| key.value).collect();
        assert_eq!(lines, ["a", "0644"]);
        assert_eq!((keys.uid, keys.lock_passwd), (Some(1000), Some(false)));
        assert_eq!(findings[0], "d:2:26: error: expected a string, found a list");
        assert!(findings.len() == 2 && findings[1].starts_with("d:2:31: warning: without quotes"), "{findings:?}");
    }

    #[test]
    fn null_is_left_out_and_unknown_keys_are_named() {
        let (keys, findings) = read("uid:\nlock_password: true\ntyp: x\n");
        assert_eq!((keys.uid, keys.lock_passwd), (None, None));
        assert_eq!(
            findings,
            [
                "d:2:1: error: unknown key `lock_password`; it is left out\n    help: did you mean `lock_passwd`?",
                "d:3:1: error: unknown key `typ`; it is left out\n    help: did you mean `type`?"
            ]
        );
        assert_eq!(read("[a]").1, ["d:1:1: error: expected a mapping, found a list"]);
    }

    #[test]
    fn text_stays_as_written() {
        for text in ["52:54:00:12:34:00", "22:22", "0644", "1.10", "yes", "2024-13-01", "1_000"] {
            assert_eq!(read(&format!("type: {text}\n")).0.r#type.as_deref(), Some(text));
        }
    }

    #[test]
    fn text_that_is_another_one_to_the_peer_is_said_and_not_told() {
        for (text, what) in [
            ("52:54:00:12:34:00", "base 60"),
            ("22:22", "base 60"),
            ("0644", "another one"),
            ("1_000", "another one"),
            ("on", "true or false"),
        ] {
            let (_, findings) = read(&format!("type: {text}\n"));
            assert!(findings[0].contains("d:1:7: warning") && findings[0].contains(what), "{findings:?}");
            assert!(findings.len() == 1 && !findings[0].contains(text) || text == "on", "{findings:?}");
        }
        for text in ["1.10", "1000", "2024-01-02", "'0644'", "00:11:22:33:44:55", "\"on\"", "y"] {
            assert_eq!(read(&format!("type: {text}\n")).1, [""; 0], "{text}");
        }
    }

    #[test]
    fn numbers_stay_in_range() {
        assert_eq!(read("uid: -1").1, ["d:1:6: error: -1 is out of range: 0 to 4294967295"]);
        assert_eq!(read("uid: 0x10").0.uid, Some(16));
        assert_eq!(read("uid: many").1, ["d:1:6: error: expected a whole number, found a string"]);
    }

    #[test]
    fn one_of_a_few_words_forgives_case_and_hyphens_only() {
        let mut findings = Findings::default();
        let mut read = |text: &str| {
            let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
            one_of(&node, &["config-drive", "nocloud"], &mut findings)
        };
        assert_eq!(read("ConfigDrive"), Some("config-drive"));
        assert_eq!(read("NoCloud"), Some("nocloud"));
        assert_eq!(read("nocluod"), None);
        assert!(findings.iter().next().unwrap().to_string().ends_with("did you mean `nocloud`?"));
    }
}
