// SPDX-License-Identifier: Apache-2.0
//! The instance's properties as an environment file that systemd and sh read alike.

use std::collections::BTreeMap;

use crate::finding::{Finding, Findings, Origin};
use crate::instance::Instance;

impl Instance {
    /// Lines `FIRSTLIGHT_META_EDGEPROXY='172.24.4.1'`: the properties, and id and host name of the instance.
    ///
    /// Left out, with a finding, are a name that another property has taken already and a value that goes over several
    /// lines. The properties may hold secrets, so the file is root's alone.
    pub fn environment(&self, findings: &mut Findings) -> String {
        let own = [("FIRSTLIGHT_INSTANCE_ID", Some(&self.id)), ("FIRSTLIGHT_HOSTNAME", self.hostname.as_ref())];
        let mut lines: BTreeMap<String, String> = BTreeMap::new();
        for (variable, value) in own {
            lines.extend(value.and_then(|value| Some((variable.to_owned(), quoted(value)?))));
        }
        let meta = Origin::document(self.id.origin.document_name()).key("meta");
        for (name, value) in &self.properties {
            let variable = variable(name);
            let wrong = match quoted(value) {
                _ if lines.contains_key(&variable) => format!("another property is {variable} already"),
                None => "a control character can't stand in an environment file".to_owned(),
                Some(value) => {
                    lines.insert(variable, value);
                    continue;
                }
            };
            let finding = Finding::warning(&meta.key(name), format!("left out of the environment file: {wrong}"));
            findings.push(finding.help(format!("ask for it with `firstlight query meta.{name}`")));
        }
        lines.into_iter().map(|(variable, value)| format!("{variable}={value}\n")).collect()
    }
}

fn variable(property: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("FIRSTLIGHT_META_{}", property.chars().map(plain).collect::<String>())
}

/// In single quotes where nothing in it is special there. Else in double quotes, with a backslash before each character
/// that both readers take one from; systemd before 242 takes it from everything, even between single quotes.
fn quoted(value: &str) -> Option<String> {
    if value.chars().any(char::is_control) {
        return None;
    }
    if !value.contains(['\'', '\\']) {
        return Some(format!("'{value}'"));
    }
    let escape = |c: char| ['"', '\\', '`', '$'].contains(&c).then_some('\\').into_iter().chain([c]);
    Some(format!("\"{}\"", value.chars().flat_map(escape).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::seed::{Document, Seed};

    fn environment(meta: serde_json::Value) -> (String, Vec<String>) {
        let json = serde_json::json!({"uuid": "i-1", "hostname": "h.example", "meta": meta}).to_string();
        let seed = Seed::new("config-drive", "here", Document::new("meta_data.json", json));
        let mut findings = Findings::default();
        let text = Instance::from_seed(&seed, &mut findings).unwrap().environment(&mut findings);
        (text, findings.iter().map(|finding| format!("{}: {}", finding.origin, finding.message)).collect())
    }

    #[test]
    fn names_are_made_fit_and_clashes_are_said() {
        let (text, findings) = environment(serde_json::json!({"edge-proxy": "a", "edge_proxy": "b", "x": "1\n2"}));
        let lines =
            ["FIRSTLIGHT_HOSTNAME='h.example'", "FIRSTLIGHT_INSTANCE_ID='i-1'", "FIRSTLIGHT_META_EDGE_PROXY='a'"];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        assert_eq!(
            findings,
            [
                "meta_data.json: meta.edge_proxy: left out of the environment file: another property is FIRSTLIGHT_META_EDGE_PROXY already",
                "meta_data.json: meta.x: left out of the environment file: a control character can't stand in an environment file",
            ]
        );
    }

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for value in
            ["172.24.4.1", "", "it's", r#"a'b"c\d`id`$HOME$(id)!"#, r"\", r"C:\new", "a  b;c&d|e#f", "é ✓", "'"]
        {
            let (text, _) = environment(serde_json::json!({ "value": value }));
            let script = format!("{text}\nprintf %s \"$FIRSTLIGHT_META_VALUE\"");
            let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{text}");
        }
    }
}
