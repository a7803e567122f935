// SPDX-License-Identifier: Apache-2.0
//! YAML that YAML 1.1 reads as it is meant: older netplans read it with libyaml, and once more with Python.

use serde_json::Value as Json;
use serde_yaml::{Mapping, Value};

use crate::config::document::{Data, Node, Scalar, Value as Meaning};
use crate::finding::Origin;

/// Before a text that needs quotes which the writer, of YAML 1.2, would not give it; it begins a comment, so with it
/// there are quotes. (A private character: of no document.)
const QUOTED: &str = "#\u{e000}";

/// A mapping that is written in the order in which its keys are set.
#[derive(Default)]
pub(super) struct Keys(pub Mapping);

impl Keys {
    /// Sets a key.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(text(key), value.into());
    }

    /// Sets a key to a text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.set(key, text(value));
    }

    /// Sets a key, if there is something to set it to.
    pub fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Sets a key to a list or a mapping, if there is something in it.
    pub fn filled(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let is_empty = match &value {
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.set(key, value);
        }
    }

    /// Adds a value that is given as it is to be written: mappings and lists join what is there already.
    pub fn merge(&mut self, key: &str, value: &Json) {
        merge(self.0.entry(text(key)).or_insert(Value::Null), value);
    }
}

impl From<Keys> for Value {
    fn from(keys: Keys) -> Self {
        Value::Mapping(keys.0)
    }
}

/// A text that is read back as that text.
pub(super) fn text(text: &str) -> Value {
    let scalar = Scalar { text: text.to_owned(), plain: true, tag: None };
    let meaning = Node { origin: Origin::document(""), data: Data::Scalar(scalar) }.value();
    let is_text = matches!(meaning, Some(Meaning::Text(_))) && !matches!(text, "=" | "<<");
    if is_text { Value::String(text.to_owned()) } else { quoted(text) }
}

/// A text in quotes, needed or not.
pub(super) fn quoted(text: &str) -> Value {
    Value::String(format!("{QUOTED}{text}"))
}

/// A list of texts.
pub(super) fn texts<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    Value::Sequence(items.into_iter().map(text).collect())
}

fn merge(place: &mut Value, value: &Json) {
    match (place, value) {
        (Value::Mapping(entries), Json::Object(more)) => {
            more.iter().for_each(|(key, value)| merge(entries.entry(text(key)).or_insert(Value::Null), value));
        }
        (Value::Sequence(items), Json::Array(more)) => items.extend(more.iter().map(of_json)),
        (place, value) => *place = of_json(value),
    }
}

fn of_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => number.as_i64().map_or_else(|| text(&number.to_string()), Value::from),
        Json::String(string) => text(string),
        Json::Array(items) => Value::Sequence(items.iter().map(of_json).collect()),
        Json::Object(entries) => {
            Value::Mapping(entries.iter().map(|(key, value)| (text(key), of_json(value))).collect())
        }
    }
}

/// The text of a document.
pub(super) fn written(document: &Value) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(document).map(|yaml| yaml.replace(QUOTED, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Findings;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_yaml_would_take_for_something_else_is_quoted() {
        for (plain, expected) in [
            ("52:54:00:12:34:56", "'52:54:00:12:34:56'"),
            ("0644", "'0644'"),
            ("yes", "'yes'"),
            ("2024-01-02", "'2024-01-02'"),
            ("~", "'~'"),
            ("10.0.0.1/24", "10.0.0.1/24"),
            ("ens3", "ens3"),
        ] {
            assert_eq!(written(&text(plain)).unwrap().trim_end(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_is(string in "([ -~]|\n|é|[0-9:.]){0,12}") {
            let yaml = written(&Value::Mapping(Mapping::from_iter([(text("a"), text(&string))]))).unwrap();
            let node = parse(&yaml, &Origin::document("d"), &mut Findings::default()).unwrap();
            prop_assert_eq!(node.get("a").unwrap().value(), Some(Meaning::Text(string)), "{}", yaml);
        }
    }
}
