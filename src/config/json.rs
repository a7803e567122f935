// SPDX-License-Identifier: Apache-2.0
//! A document as JSON: what programs and templates get of it, without the places.

use base64::Engine as _;
use serde_json::Value as Json;

use crate::config::node::{Data, Node, Value};

/// Before what is no text, as in cloud-init's instance data.
pub const BASE64: &str = "ci-b64:";

impl Node {
    /// As JSON, which has no dates, no bytes and no keys but texts: they are texts there.
    pub fn to_json(&self) -> Json {
        match &self.data {
            Data::Sequence(items) => items.iter().map(Node::to_json).collect(),
            Data::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.text().unwrap_or_default(), value.to_json()));
                entries.map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
            }
            Data::Scalar(scalar) => match self.value() {
                None | Some(Value::Null) => Json::Null,
                Some(Value::Bool(flag)) => flag.into(),
                Some(Value::Integer(number)) => i64::try_from(number)
                    .map(Json::from)
                    .or_else(|_| u64::try_from(number).map(Json::from))
                    .unwrap_or_else(|_| scalar.text.clone().into()),
                Some(Value::Float(number)) if number.is_finite() => number.into(),
                Some(Value::Float(_)) => scalar.text.clone().into(),
                Some(Value::Date(text) | Value::Text(text)) => text.into(),
                Some(Value::Binary(bytes)) => {
                    format!("{BASE64}{}", base64::engine::general_purpose::STANDARD.encode(bytes)).into()
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::document::parse;
    use crate::finding::{Findings, Origin};

    #[test]
    fn values_are_what_yaml_makes_of_them() {
        let text =
            "a: [yes, ~, 0644, 1.5, .inf, 2024-01-02, 'yes', !!binary aGk=]\nb: {1: 2}\nc: 99999999999999999999\n";
        let node = parse(text, &Origin::document("d"), &mut Findings::default()).unwrap();
        assert_eq!(
            node.to_json(),
            serde_json::json!({
                "a": [true, null, 420, 1.5, ".inf", "2024-01-02", "yes", "ci-b64:aGk="],
                "b": {"1": 2},
                "c": "99999999999999999999",
            })
        );
    }
}
