// SPDX-License-Identifier: Apache-2.0
//! Which form a part has: told by its first text, as cloud-init tells it, and a little more forgiving; or by the type
//! that it is declared to have.

use crate::config::template;
use crate::userdata::{Run, mime};

/// A form of user-data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Empty,
    Script(Run),
    CloudConfig,
    /// A list of parts in YAML.
    Archive,
    /// Changes of the cloud-config so far.
    Patch,
    /// Lines that name other documents.
    #[allow(missing_docs)]
    Include {
        once: bool,
    },
    /// Python code that cloud-init would load.
    PartHandler,
    /// Rendered first, then looked at again.
    Template,
    /// A MIME message.
    Message,
    Unknown,
}

/// Each form's MIME type, which `disabled_handlers` goes by too.
const TYPES: &[(&str, Form)] = &[
    ("text/x-shellscript", Form::Script(Run::User)),
    ("text/x-shellscript-per-boot", Form::Script(Run::PerBoot)),
    ("text/x-shellscript-per-instance", Form::Script(Run::PerInstance)),
    ("text/x-shellscript-per-once", Form::Script(Run::Once)),
    ("text/cloud-boothook", Form::Script(Run::Boothook)),
    ("text/cloud-config", Form::CloudConfig),
    ("text/cloud-config-archive", Form::Archive),
    ("text/cloud-config-jsonp", Form::Patch),
    ("text/x-include-url", Form::Include { once: false }),
    ("text/x-include-once-url", Form::Include { once: true }),
    ("text/part-handler", Form::PartHandler),
    ("text/jinja2", Form::Template),
];

/// Prefixes in lower case; a longer one stands before the one that it begins with.
const PREFIXES: &[(&str, Form)] = &[
    ("#!", Form::Script(Run::User)),
    ("#cloud-boothook", Form::Script(Run::Boothook)),
    ("#cloud-config-archive", Form::Archive),
    ("#cloud-config-jsonp", Form::Patch),
    ("#cloud-config", Form::CloudConfig),
    ("#include-once", Form::Include { once: true }),
    ("#include", Form::Include { once: false }),
    ("#part-handler", Form::PartHandler),
];

/// What is known of a part's form before its text is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Declared {
    /// The text tells.
    Nothing,
    /// The text tells, and where it does not, it is this.
    Perhaps(Form),
    /// This, whatever the text looks like.
    Surely(Form),
    /// A type that nothing is known of.
    Unknown(String),
}

impl Form {
    /// Its MIME type.
    pub fn content_type(self) -> Option<&'static str> {
        TYPES.iter().find(|(_, form)| *form == self).map(|(name, _)| *name)
    }
}

/// What a declared type, in lower case, says: as for cloud-init, the text of some types tells more than their name.
pub(super) fn declared(content_type: &str) -> Declared {
    let is_packed = content_type.strip_prefix("application/").is_some_and(|kind| {
        let kind = kind.trim_start_matches("x-");
        kind.starts_with("gzip") || matches!(kind, "gunzip" | "compress" | "compressed")
    });
    match content_type {
        "" | "text/plain" | "text/x-not-multipart" => Declared::Nothing,
        _ if is_packed => Declared::Nothing,
        "text/x-shellscript" => Declared::Perhaps(Form::Script(Run::User)),
        _ => match TYPES.iter().find(|(name, _)| *name == content_type) {
            Some((_, form)) => Declared::Surely(*form),
            None => Declared::Unknown(content_type.to_owned()),
        },
    }
}

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
    let starts = |text: &[u8]| text.get(..13).is_some_and(|head| head.eq_ignore_ascii_case(b"#cloud-config"));
    if let Some(rest) = text.strip_prefix(b"---")
        && starts(rest.trim_ascii_start())
    {
        before.document_start = true;
        text = rest.trim_ascii_start();
    }
    before.length = bytes.len() - text.len();
    (form(text), before)
}

fn form(text: &[u8]) -> Form {
    let text = text.get(..HEAD).unwrap_or(text);
    let head = String::from_utf8_lossy(text).to_ascii_lowercase();
    if head.is_empty() {
        return Form::Empty;
    }
    if template::split_header(&head).is_some() {
        return Form::Template;
    }
    if let Some((_, form)) = PREFIXES.iter().find(|(prefix, _)| head.starts_with(prefix)) {
        return *form;
    }
    if mime::is_message(text) { Form::Message } else { Form::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_text_tells_the_form() {
        for (text, form) in [
            ("", Form::Empty),
            (" \n\t\n", Form::Empty),
            ("#!/bin/sh\n", Form::Script(Run::User)),
            ("\n  #!/bin/sh\n", Form::Script(Run::User)),
            ("#cloud-config\n", Form::CloudConfig),
            ("#Cloud-Config\r\na: 1", Form::CloudConfig),
            ("#cloud-configXYZ\n", Form::CloudConfig),
            ("#cloud-config-archive\n", Form::Archive),
            ("#cloud-config-jsonp\n", Form::Patch),
            ("#cloud-boothook\n#!/bin/sh", Form::Script(Run::Boothook)),
            ("#include-once\nhttp://x", Form::Include { once: true }),
            ("#include http://x", Form::Include { once: false }),
            ("## template: jinja\n#cloud-config", Form::Template),
            ("##template:jinja\n#cloud-config", Form::Template),
            ("Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n", Form::Message),
            ("From nobody Fri Jan 11 07:00:00 1980\nMIME-Version: 1.0\n", Form::Message),
            ("#!/bin/sh\necho MIME-Version: 1.0", Form::Script(Run::User)),
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

    #[test]
    fn a_declared_type_says_more_or_less() {
        for vague in ["text/plain", "text/x-not-multipart", "application/gzip", "application/x-gzip-compressed"] {
            assert_eq!(declared(vague), Declared::Nothing, "{vague}");
        }
        assert_eq!(declared("text/x-shellscript"), Declared::Perhaps(Form::Script(Run::User)));
        assert_eq!(declared("text/x-shellscript-per-boot"), Declared::Surely(Form::Script(Run::PerBoot)));
        assert_eq!(declared("application/zip"), Declared::Unknown("application/zip".to_owned()));
        assert_eq!(Form::Script(Run::Boothook).content_type(), Some("text/cloud-boothook"));
    }
}
