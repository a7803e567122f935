// SPDX-License-Identifier: Apache-2.0
//! Which form a part has: told by its first text, as cloud-init tells it, and a little more forgiving.

use crate::config::template;

/// A form of user-data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Empty,
    Script,
    CloudConfig,
    /// Lines that name other documents.
    Include,
    /// Rendered first, then looked at again.
    Template,
    /// A form of the peers that is not built, by the name that a person knows.
    Unbuilt(&'static str),
    Unknown,
}

/// Prefixes in lower case; a longer one stands before the one that it begins with.
const PREFIXES: &[(&str, Form)] = &[
    ("#!", Form::Script),
    ("#cloud-boothook", Form::Unbuilt("#cloud-boothook")),
    ("#cloud-config-archive", Form::Unbuilt("#cloud-config-archive")),
    ("#cloud-config-jsonp", Form::Unbuilt("#cloud-config-jsonp")),
    ("#cloud-config", Form::CloudConfig),
    ("#include", Form::Include),
    ("#part-handler", Form::Unbuilt("#part-handler")),
];

/// Where the head of a MIME message is looked for.
const HEAD: usize = 4096;

/// What stands before the first text and hides it from the peers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    pub byte_order_mark: bool,
    /// `---` on a line of its own.
    pub document_start: bool,
    /// Bytes before the first text, of whatever kind.
    pub length: usize,
}

/// The form of `bytes`, and what stands before the text that tells it.
pub(super) fn sniff(bytes: &[u8]) -> (Form, Before) {
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut text = bare.trim_ascii_start();
    let mut before = Before { byte_order_mark: bare.len() < bytes.len(), ..Before::default() };
    if let Some(rest) = text.strip_prefix(b"---")
        && rest.trim_ascii_start().starts_with(b"#cloud-config")
    {
        before.document_start = true;
        text = rest.trim_ascii_start();
    }
    before.length = bytes.len() - text.len();
    (form(text), before)
}

fn form(text: &[u8]) -> Form {
    let head = String::from_utf8_lossy(text.get(..HEAD).unwrap_or(text)).to_ascii_lowercase();
    if head.is_empty() {
        return Form::Empty;
    }
    if template::split_header(&head).is_some() {
        return Form::Template;
    }
    if let Some((_, form)) = PREFIXES.iter().find(|(prefix, _)| head.starts_with(prefix)) {
        return *form;
    }
    // A script may well write mail: only text that begins like a message is one.
    if !head.starts_with('#') && head.contains("mime-version:") {
        return Form::Unbuilt("MIME multipart");
    }
    Form::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_text_tells_the_form() {
        for (text, form) in [
            ("", Form::Empty),
            (" \n\t\n", Form::Empty),
            ("#!/bin/sh\n", Form::Script),
            ("\n  #!/bin/sh\n", Form::Script),
            ("#cloud-config\n", Form::CloudConfig),
            ("#Cloud-Config\r\na: 1", Form::CloudConfig),
            ("#cloud-configXYZ\n", Form::CloudConfig),
            ("#cloud-config-archive\n", Form::Unbuilt("#cloud-config-archive")),
            ("#cloud-config-jsonp\n", Form::Unbuilt("#cloud-config-jsonp")),
            ("#include-once\nhttp://x", Form::Include),
            ("#include http://x", Form::Include),
            ("## template: jinja\n#cloud-config", Form::Template),
            ("##template:jinja\n#cloud-config", Form::Template),
            ("Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n", Form::Unbuilt("MIME multipart")),
            ("#!/bin/sh\necho MIME-Version: 1.0", Form::Script),
            ("# cloud-config\n", Form::Unknown),
            ("users: []\n", Form::Unknown),
            ("---\nusers: []\n", Form::Unknown),
        ] {
            assert_eq!(sniff(text.as_bytes()).0, form, "{text:?}");
        }
        assert_eq!(sniff(b"\x89PNG\xff\xfe").0, Form::Unknown);
    }

    #[test]
    fn what_hides_the_form_from_the_peers_is_told() {
        let (form, before) = sniff("\u{feff}---\n#cloud-config\n".as_bytes());
        assert_eq!(form, Form::CloudConfig);
        assert_eq!(before, Before { byte_order_mark: true, document_start: true, length: 7 });
    }
}
