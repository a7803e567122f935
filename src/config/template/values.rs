// SPDX-License-Identifier: Apache-2.0
//! Instance data as templates see them: what is missing knows its name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectExt as _, Rest};
use minijinja::{Environment, UndefinedBehavior, Value};

use crate::config::missing;

/// A mapping of the instance data, which knows its own name.
#[derive(Debug)]
struct Branch {
    path: String,
    entries: BTreeMap<String, Value>,
    /// Names that are not the data's to answer for.
    globals: Vec<String>,
}

impl Object for Branch {
    // Asked by `x in y` and `y["x"]`, where there must be a difference.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.entries.get(key.as_str()?).cloned()
    }

    // Asked by `y.x`.
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match self.entries.get(key) {
            Some(value) => Some(value.clone()),
            None if self.globals.iter().any(|global| global == key) => None,
            None => Some(Value::from_object(Unknown(below(&self.path, key)))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|this| Box::new(this.entries.keys().map(|key| Value::from(key.as_str()))))
    }
}

/// What is not in the instance data: false, empty, and printed as a mark with its name.
#[derive(Debug)]
struct Unknown(String);

impl Object for Unknown {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(Value::from_object(Unknown(below(&self.0, key))))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&missing::mark(&self.0))
    }
}

/// The name of `key` below `path`; it ends where nobody would read on.
fn below(path: &str, key: &str) -> String {
    match path.len() {
        0 => key.to_owned(),
        1..200 => format!("{path}.{key}"),
        _ => path.to_owned(),
    }
}

/// Whether it is what `a if b` comes to without its `else`, which is nothing and is not missed. Only a strict engine
/// tells it from what is undefined.
pub(super) fn is_no_else(value: &Value) -> bool {
    let mut strict = Environment::empty();
    strict.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    strict.empty_state().format(value.clone()).is_ok()
}

pub(super) fn is_missing(value: &Value) -> bool {
    value.is_undefined() || value.downcast_object_ref::<Unknown>().is_some()
}

/// Jinja's `default(other, also_when_false)`.
pub(super) fn or_default(value: &Value, arguments: Rest<Value>) -> Value {
    let also_when_false = arguments.get(1).is_some_and(Value::is_true);
    if is_missing(value) || (also_when_false && !value.is_true()) {
        return arguments.first().cloned().unwrap_or_else(|| Value::from(""));
    }
    value.clone()
}

/// JSON as the template sees it: what is no name has an alias with underscores, so that `meta.my-key` is `meta.my_key`.
pub(super) fn instance_value(json: &serde_json::Value, path: &str, globals: Vec<String>) -> Value {
    match json {
        serde_json::Value::Object(map) => {
            let named = |key: &str| key.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect::<String>();
            let children: Vec<_> = map
                .iter()
                .map(|(key, value)| (missing::unmarked(key), instance_value(value, &below(path, key), Vec::new())))
                .collect();
            let mut entries: BTreeMap<_, _> = children.iter().map(|(key, value)| (named(key), value.clone())).collect();
            entries.extend(children);
            Value::from_object(Branch { path: path.to_owned(), entries, globals })
        }
        serde_json::Value::Array(items) => {
            items.iter().map(|item| instance_value(item, path, Vec::new())).collect::<Vec<_>>().into()
        }
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(flag) => Value::from(*flag),
        serde_json::Value::String(text) => Value::from(missing::unmarked(text)),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(whole)) => Value::from(whole),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        },
    }
}
