// SPDX-License-Identifier: Apache-2.0
//! A mapping while it is built: one entry for each key, found at once however many there are.

use std::collections::HashMap;

use crate::config::document::{Node, Value};

/// Entries in the order in which their keys came first.
#[derive(Default)]
pub(super) struct Mapping {
    entries: Vec<(Node, Node)>,
    index: HashMap<Identity, usize>,
}

/// What makes two keys the same: `yes` and `true` are, `1` and `"1"` are not.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Text(String),
    Other(String),
}

impl Identity {
    fn of(key: &Node) -> Self {
        match key.value() {
            Some(Value::Text(text)) => Self::Text(text),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl Mapping {
    /// A mapping of entries whose keys differ.
    pub fn of(entries: Vec<(Node, Node)>) -> Self {
        let index = entries.iter().enumerate().map(|(at, (key, _))| (Identity::of(key), at)).collect();
        Self { entries, index }
    }

    /// The entry of the same key.
    pub fn entry(&mut self, key: &Node) -> Option<&mut (Node, Node)> {
        self.entries.get_mut(*self.index.get(&Identity::of(key))?)
    }

    /// Adds an entry, or replaces the one of the same key in its place, and returns that.
    pub fn insert(&mut self, key: Node, value: Node) -> Option<(Node, Node)> {
        if let Some(entry) = self.entry(&key) {
            return Some(std::mem::replace(entry, (key, value)));
        }
        self.index.insert(Identity::of(&key), self.entries.len());
        self.entries.push((key, value));
        None
    }

    /// The finished entries.
    pub fn into_entries(self) -> Vec<(Node, Node)> {
        self.entries
    }
}
