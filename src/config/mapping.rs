// SPDX-License-Identifier: Apache-2.0
//! A mapping while it is built: one entry for each key, found at once however many there are.

use std::collections::HashMap;

use crate::config::node::{Node, Value};

/// Entries in the order in which their keys came first.
#[derive(Default)]
pub(super) struct Mapping {
    /// `None` where one was taken.
    entries: Vec<Option<(Node, Node)>>,
    index: HashMap<Identity, usize>,
}

/// What makes two keys the same, as in a dict of Python: `yes`, `true` and `1` are, `1` and `"1"` are not.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Text(String),
    Number(i128),
    Other(String),
}

impl Identity {
    fn of(key: &Node) -> Self {
        match key.value() {
            Some(Value::Text(text)) => Self::Text(text),
            Some(Value::Integer(number)) => Self::Number(number),
            Some(Value::Bool(value)) => Self::Number(value.into()),
            // Exact up to here.
            Some(Value::Float(number)) if number.fract() == 0.0 && number.abs() < 1e15 => Self::Number(number as i128),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl Mapping {
    /// A mapping of entries whose keys differ.
    pub fn of(entries: Vec<(Node, Node)>) -> Self {
        let index = entries.iter().enumerate().map(|(at, (key, _))| (Identity::of(key), at)).collect();
        Self { entries: entries.into_iter().map(Some).collect(), index }
    }

    /// Adds an entry, or puts it in the place of the one of the same key and returns that.
    pub fn insert(&mut self, key: Node, value: Node) -> Option<(Node, Node)> {
        let at = *self.index.entry(Identity::of(&key)).or_insert(self.entries.len());
        match self.entries.get_mut(at) {
            Some(entry) => entry.replace((key, value)),
            None => {
                self.entries.push(Some((key, value)));
                None
            }
        }
    }

    /// Takes the entry of the same key out.
    pub fn take(&mut self, key: &Node) -> Option<(Node, Node)> {
        self.entries.get_mut(*self.index.get(&Identity::of(key))?)?.take()
    }

    /// What is left, in order.
    pub fn into_entries(self) -> Vec<(Node, Node)> {
        self.entries.into_iter().flatten().collect()
    }
}
