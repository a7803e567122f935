// SPDX-License-Identifier: Apache-2.0
//! What a JSON value is, in the words of messages.

use serde_json::Value;

/// "a string", "a list" …
pub fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
