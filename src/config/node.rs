// SPDX-License-Identifier: Apache-2.0
//! One value of a document as its author wrote it: its text, its shape, its place.

use crate::finding::Origin;

/// One value of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it is written.
    pub origin: Origin,
    /// What it is.
    pub data: Data,
}

/// The shapes of a value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Data {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// A scalar before anything is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text after quotes, escapes and folding.
    pub text: String,
    /// Neither quoted nor a block: only such a scalar is more than a string.
    pub plain: bool,
    /// An explicit tag such as `!!binary`, resolved to its full form (`tag:yaml.org,2002:binary`).
    pub tag: Option<String>,
}

/// What YAML 1.1 makes of a scalar, as PyYAML's `safe_load` does.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    /// Kept as its text.
    Date(String),
    Text(String),
    Binary(Vec<u8>),
}

impl Node {
    /// An empty mapping.
    pub fn empty(origin: Origin) -> Self {
        Self { origin, data: Data::Mapping(Vec::new()) }
    }

    /// The value of `key` where this is a mapping that has it (the last one, should it be there twice).
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().rev().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The pairs of a mapping; empty for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.data {
            Data::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The entries of a sequence, where it is one.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.data {
            Data::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The raw text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }
}
