// SPDX-License-Identifier: Apache-2.0
//! NoCloud in the image's settings: a whole seed there, or where one is.

use crate::config::document::{Data, Node, Value};
use crate::config::read::{Kind, Read, same_key, unfit};
use crate::config::types::OrFalse;
use crate::finding::{Findings, Located};

crate::keys! {
    /// NoCloud: a seed in the settings themselves, or where one is. cloud-init's `datasource: {NoCloud: …}` is read too.
    pub struct NoCloud {
        /// Meta-data; counts together with `user_data`.
        meta_data: Inline,
        /// User-data; counts together with `meta_data`.
        user_data: String,
        /// Vendor-data.
        vendor_data: String,
        /// Network-config, version 1 or 2.
        network_config: Inline,
        /// Where a seed is: a path, `file:///DIRECTORY/`, or the URL of a server. `%s` stands for the name of each file,
        /// `__dmi.chassis-serial-number__` and its like for what the firmware says.
        seedfrom: Located<String>,
        /// Label of a medium; `cidata`. `false`, or cloud-init's null, for no medium.
        fs_label: OrFalse<String>,
    }
}

/// A document within the settings: as text, or as the mapping that it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inline(pub String);

impl Read for Inline {
    fn kind() -> Kind {
        Kind::OneOf(vec![String::kind(), Kind::Named(Box::new(Kind::Any))])
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match (&node.data, node.value()) {
            // Not as JSON: `52:54:00:12:34:00` is a number to YAML 1.1, and an id or an address to whoever wrote it.
            (Data::Mapping(_), _) => Some(Self(node.to_flow())),
            (_, Some(Value::Text(text))) => Some(Self(text)),
            _ => unfit(node, &Self::kind(), findings),
        }
    }
}

impl NoCloud {
    /// Heeds a null of its block where the label would stand: it is for no medium.
    pub(super) fn heed_null_label(&mut self, block: &Node) {
        let is_label = |key: &Node| same_key(key.text().unwrap_or_default(), "fs_label");
        if block.entries().iter().any(|(key, label)| is_label(key) && label.is_null()) {
            self.fs_label.get_or_insert(OrFalse(None));
        }
    }

    /// Adds what cloud-init's block says, where our own says nothing.
    pub(super) fn add_cloud_init(nocloud: &mut Option<Self>, block: &Node, findings: &mut Findings) {
        if let Some(mut read) = Self::read(block, findings) {
            read.heed_null_label(block);
            *nocloud = Some(nocloud.take().unwrap_or_default().over(read));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::base::settle;
    use crate::seed::Document;

    fn read(text: &str) -> (Option<NoCloud>, Vec<String>) {
        let mut findings = Findings::default();
        let settings = settle(&[Document::new("s", text)], None, &mut findings).0;
        (settings.nocloud, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_seed_stands_in_the_settings_in_our_words_or_in_cloud_init_s() {
        let seed = "{meta-data: {instance-id: i-1}, user-data: '#!/bin/sh', network-config: 'version: 2', fs_label: ~}";
        for text in [format!("firstlight: {{nocloud: {seed}}}"), format!("datasource: {{NoCloud: {seed}}}")] {
            let (read, findings) = read(&text);
            let read = read.unwrap();
            assert_eq!(findings, [""; 0], "{text}");
            assert_eq!(read.meta_data, Some(Inline(r#"{"instance-id": "i-1", }"#.to_owned())));
            assert_eq!(
                (read.user_data.as_deref(), read.network_config),
                (Some("#!/bin/sh"), Some(Inline("version: 2".to_owned())))
            );
            assert_eq!(read.fs_label, Some(OrFalse(None)), "{text}");
        }
    }

    #[test]
    fn a_value_without_quotes_stays_what_is_written() {
        let seed =
            "{meta-data: {instance-id: 52:54:00:12:34:00}, user-data: '', network-config: {a: 0123, b: 'yes', c: ~}}";
        let read = read(&format!("firstlight: {{nocloud: {seed}}}")).0.unwrap();
        let text = |inline: Option<Inline>| inline.unwrap().0;
        assert_eq!(text(read.meta_data), r#"{"instance-id": 52:54:00:12:34:00, }"#);
        assert_eq!(text(read.network_config), r#"{"a": 0123, "b": "yes", "c": ~, }"#);
    }

    #[test]
    fn our_own_block_goes_first_and_what_is_not_read_is_said() {
        let (own, findings) = read(
            "firstlight: {nocloud: {seedfrom: /a}}\ndatasource:\n  NoCloud: {seedfrom: /b, fs_label: other}\n  Azure: {}\n",
        );
        let own = own.unwrap();
        assert_eq!((own.seedfrom.unwrap().as_str(), own.fs_label), ("/a", Some(OrFalse(Some("other".to_owned())))));
        assert_eq!(findings, ["s:4:3: warning: settings of this datasource are not read; they are left out"]);
        let (none, findings) = read("datasource: {NoCloud: {metadata: {}, user-data: [a]}}");
        assert!(none.unwrap().user_data.is_none());
        assert!(
            findings[0].contains("unknown key `metadata`") && findings[1].contains("expected a string"),
            "{findings:?}"
        );
    }
}
