// SPDX-License-Identifier: Apache-2.0
//! The parameters of bonds and bridges in netplan's words.

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::finding::{Findings, Located};
use crate::network::model::options::{Form, Setting};
use crate::network::render::netplan::yaml::{Keys, text, texts};
use crate::network::render::{Renderer, inexpressible};

/// The mapping of `parameters`; members are called by `ids`.
pub(super) fn parameters(settings: &[Located<Setting>], ids: &BTreeMap<&str, String>, findings: &mut Findings) -> Keys {
    let mut keys = Keys::default();
    for setting in settings {
        let Setting { option, value, member } = &setting.value;
        if option.netplan.is_empty() {
            findings.push(inexpressible(Renderer::Netplan, &setting.origin, &format!("`{}`", option.kernel)));
            continue;
        }
        let called = |id: &str| ids.get(id).cloned().unwrap_or_else(|| id.to_owned());
        let number = || value.parse::<u32>().map_or_else(|_| text(value), Value::from);
        match (option.form, member) {
            (Form::PerMember(_), Some(member)) => {
                let value = serde_json::Value::from(value.parse::<u32>().unwrap_or_default());
                keys.merge(option.netplan, &serde_json::json!({ called(member): value }));
            }
            (Form::Number(_) | Form::Milliseconds(_) | Form::Seconds(_), _) => keys.set(option.netplan, number()),
            (Form::Flag, _) => keys.set(option.netplan, value == "1"),
            (Form::Addresses, _) => keys.set(option.netplan, texts(value.split(','))),
            (Form::Member, _) => keys.text(option.netplan, &called(value)),
            (Form::Word(_) | Form::PerMember(_), _) => keys.text(option.netplan, value),
        }
    }
    keys
}
