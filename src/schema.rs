// SPDX-License-Identifier: Apache-2.0
//! A JSON Schema (draft 2020-12) of cloud-config for editors, made from the keys, types and words that modules declare.
//!
//! It is as forgiving as `check`: what that finds nothing wrong with is valid here. (What only a module can tell is not
//! in it.) Editors read YAML 1.2, so the words of YAML 1.1 are allowed as text.

use serde_json::{Map, Value, json};

use crate::config::base::Settings;
use crate::config::read::{Key, Kind, Read as _};
use crate::modules::MODULES;
use crate::userdata::Layers;

/// The schema.
pub fn cloud_config() -> Value {
    let modules = MODULES.iter().flat_map(|module| module.keys);
    let mut properties = properties(modules.chain(Layers::KEYS));
    let settings = schema(&Settings::kind());
    let about = "The image's own settings; in /etc/firstlight only, not in user-data.";
    properties.insert("firstlight".to_owned(), described(settings, about));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cloud-config",
        "description": "Cloud-config as Firstlight reads it.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    })
}

/// Of two modules that own a key the first describes it. `ssh-authorized-keys` is an old way to write
/// `ssh_authorized_keys`.
fn properties<'a>(keys: impl Iterator<Item = &'a Key>) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys {
        let value = described(schema(&(key.kind)()), key.doc);
        properties.entry(key.name).or_insert(value);
        if key.name.contains('_') {
            let old = json!({"deprecated": true, "description": format!("Write `{}`.", key.name)});
            properties.entry(key.name.replace('_', "-")).or_insert(old);
        }
    }
    properties
}

fn described(mut schema: Value, doc: &str) -> Value {
    let text: Vec<&str> = doc.lines().map(str::trim).collect();
    if let Value::Object(keys) = &mut schema {
        keys.insert("description".to_owned(), text.join(" ").trim().into());
    }
    schema
}

/// Null is everywhere the same as nothing.
fn schema(kind: &Kind) -> Value {
    match kind {
        Kind::Scalar(name) => json!({"type": ["string", "number", "boolean", "null"], "description": name}),
        Kind::Boolean => json!({
            "type": ["boolean", "string", "integer", "null"],
            "pattern": one_of_words(&["true", "yes", "on", "1", "false", "no", "off", "0"]),
            "minimum": 0,
            "maximum": 1,
        }),
        Kind::Integer => json!({"type": ["integer", "string", "null"], "pattern": r"^\s*[+-]?[0-9][0-9_]*\s*$"}),
        Kind::Word(words) => {
            json!({"anyOf": [{"enum": words}, {"type": ["string", "boolean", "null"], "pattern": one_of_words(words)}]})
        }
        Kind::List(item) => json!({"type": ["array", "null"], "items": schema(item)}),
        Kind::Named(value) => json!({"type": ["object", "null"], "additionalProperties": schema(value)}),
        Kind::Keys(keys) => json!({
            "type": ["object", "null"],
            "properties": properties(keys.iter()),
            "additionalProperties": false,
        }),
        Kind::OneOf(kinds) => json!({"anyOf": kinds.iter().map(schema).collect::<Vec<_>>()}),
        Kind::Any => json!({}),
    }
}

/// A pattern for words in capital or small letters, with `-`, `_` or nothing between their parts.
fn one_of_words(words: &[&str]) -> String {
    let word = |word: &&str| -> String {
        let letter = |c: char| format!("[{}{}][-_]?", c.to_ascii_lowercase(), c.to_ascii_uppercase());
        word.chars().filter(char::is_ascii_alphanumeric).map(letter).collect()
    };
    format!(r"^\s*({})\s*$", words.iter().map(word).collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_and_says_what_it_is() {
        let schema = cloud_config();
        for key in MODULES.iter().flat_map(|module| module.keys).chain(Layers::KEYS) {
            let about = schema["properties"][key.name]["description"].as_str();
            assert!(about.is_some_and(|about| about.len() > 4 && !about.contains('\n')), "{}", key.name);
        }
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn types_are_as_narrow_as_those_of_the_modules() {
        let schema = cloud_config();
        let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path}")).clone();
        assert_eq!(at("/properties/preserve_hostname/type"), json!(["boolean", "string", "integer", "null"]));
        assert_eq!(at("/properties/write_files/items/additionalProperties"), false);
        assert_eq!(at("/properties/write_files/items/properties/append/maximum"), 1);
        assert_eq!(at("/properties/chpasswd/properties/users/items/properties/name/type/0"), "string");
        assert_eq!(at("/properties/runcmd/anyOf/1/items/anyOf/1/items/type/0"), "string");
        assert_eq!(at("/properties/firstlight/properties/datasources/items/anyOf/0/enum/0"), "config-drive");
        assert_eq!(at("/properties/users/anyOf/1/items/anyOf/1/properties/uid/description"), "Numeric id.");
        assert_eq!(at("/properties/fs_setup/items/properties/overwrite/maximum"), 1);
        assert_eq!(at("/properties/disk_setup/additionalProperties/properties/overwrite/maximum"), 1);
        assert_eq!(at("/properties/ssh-authorized-keys/deprecated"), true);
    }

    #[test]
    fn words_are_read_as_forgivingly_as_by_the_modules() {
        assert_eq!(one_of_words(&["a-1", "b"]), r"^\s*([aA][-_]?[11][-_]?|[bB][-_]?)\s*$");
    }
}
