// SPDX-License-Identifier: Apache-2.0
//! How a type is read from a document: what does not fit becomes a finding with its place, and its neighbours are kept.

use crate::config::document::{Data, Node, Value};
use crate::finding::{Finding, Findings, Located, closest};

/// A type that can stand in a document.
pub trait Read: Sized {
    /// The type as documentation and messages name it.
    fn kind() -> Kind;
    /// Reads it; what does not fit goes to `findings` and gives `None`.
    fn read(node: &Node, findings: &mut Findings) -> Option<Self>;
}

/// A type as documentation, `check` and the schema name it.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Kind {
    /// A scalar type by its name: "a string", "a file mode".
    Scalar(&'static str),
    List(Box<Kind>),
    /// A mapping with known keys.
    Keys(&'static [Key]),
    /// A mapping with free keys.
    Map(Box<Kind>),
    OneOf(Vec<Kind>),
    /// Whatever is written; the module reads it itself.
    Any,
}

/// One key of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its meaning: the doc comment of the field.
    pub doc: &'static str,
    /// Its type.
    pub kind: fn() -> Kind,
}

/// Declares a mapping: each field is a key, each doc comment its documentation, each type what may stand there.
///
/// Every key is optional (`Option<T>`); `null` is the same as leaving it out, as for the peers. A hyphen in a key is
/// read as an underscore, so that `ssh-authorized-keys` works as it does in cloud-init.
#[macro_export]
macro_rules! keys {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        $visibility struct $name { $($(#[doc = $doc])+ pub $field: Option<$type>,)* }

        impl $name {
            /// The keys, documented.
            pub const KEYS: &'static [$crate::config::read::Key] = &[$($crate::config::read::Key {
                name: stringify!($field),
                doc: concat!($($doc, "\n"),+),
                kind: <$type as $crate::config::read::Read>::kind,
            }),*];

            /// Reads these keys from a mapping and leaves others alone.
            pub fn take(node: &$crate::config::document::Node, findings: &mut $crate::finding::Findings) -> Self {
                Self { $($field: $crate::config::read::field(node, stringify!($field), findings),)* }
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
            let names = keys.iter().map(|known| known.name);
            findings.push(match closest(&name.replace('-', "_"), names.clone()) {
                Some(close) => unknown.help(format!("did you mean `{close}`?")),
                None => unknown.help(format!("known here: {}", names.collect::<Vec<_>>().join(", "))),
            });
        }
    }
    Some(())
}

fn same_key(written: &str, name: &str) -> bool {
    written == name || (written.contains('-') && written.replace('-', "_") == name)
}

/// Says that `node` is not of `kind`.
pub fn unfit<T>(node: &Node, kind: &Kind, findings: &mut Findings) -> Option<T> {
    findings.push(Finding::error(&node.origin, format!("expected {kind}, found {}", node.described())));
    None
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Scalar(name) => f.write_str(name),
            Kind::List(item) => write!(f, "a list of {}", item.to_string().trim_start_matches("a ")),
            Kind::Keys(_) | Kind::Map(_) => f.write_str("a mapping"),
            Kind::OneOf(kinds) => f.write_str(&kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(" or ")),
            Kind::Any => f.write_str("anything"),
        }
    }
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
            Some(_) => node.text().map(str::to_owned),
        }
    }
}

/// YAML 1.1's booleans, and the same words in quotes, as cloud-init's `translate_bool` takes them.
impl Read for bool {
    fn kind() -> Kind {
        Kind::Scalar("true or false")
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
