// SPDX-License-Identifier: Apache-2.0
//! What may stand somewhere, as messages, the manual and the schema name it.

/// A type as documentation, `check` and the schema name it.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Kind {
    /// A scalar type by its name: "a string", "a file mode".
    Scalar(&'static str),
    /// YAML 1.1's booleans, in quotes too.
    Boolean,
    /// A whole number, in quotes too.
    Integer,
    /// One of a few words, as [`one_of`](crate::config::read::one_of) reads them.
    Word(&'static [&'static str]),
    List(Box<Kind>),
    /// A mapping whose keys are names.
    Named(Box<Kind>),
    /// A mapping with known keys.
    Keys(&'static [Key]),
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

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Scalar(name) => f.write_str(name),
            Kind::Boolean => f.write_str("true or false"),
            Kind::Integer => f.write_str("a whole number"),
            Kind::Word([word]) => f.write_str(word),
            Kind::Word(words) => write!(f, "one of {}", words.join(", ")),
            Kind::List(item) => write!(f, "a list (each entry {item})"),
            Kind::Keys(_) | Kind::Named(_) => f.write_str("a mapping"),
            Kind::OneOf(kinds) => f.write_str(&kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(" or ")),
            Kind::Any => f.write_str("anything"),
        }
    }
}
