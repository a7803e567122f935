// SPDX-License-Identifier: Apache-2.0
//! User-data taken apart: each part by its form; the forms that hold others come back here, once for each of them.

use crate::compression;
use crate::config::document::{self, Data, Node};
use crate::config::merge;
use crate::config::template::{self, Purpose};
use crate::finding::{Finding, Findings, Located, Origin};
use crate::seed::Document;
use crate::userdata::form::{Before, Declared, Form, sniff};
use crate::userdata::{Context, Script, UserData, unknown};

/// The largest user-data or vendor-data as the platform hands it over, in bytes.
pub const SIZE_LIMIT: usize = 16 << 20;
/// How deep documents may hold other documents.
pub(super) const DEPTH_LIMIT: usize = 10;
/// How many parts one document may have, those that hold others and those of included documents too.
pub(super) const PART_LIMIT: usize = 1000;

/// One part before its form is known.
pub(super) struct Part<'b> {
    pub bytes: &'b [u8],
    /// The part's document; where its lines are those of a document around it, its places are of that.
    pub origin: Origin,
    /// How many documents are around it.
    pub depth: usize,
    pub declared: Declared,
    /// As a person gave it.
    pub file_name: Option<String>,
    /// Only the instance of that index wants it.
    pub launch_index: Option<Located<String>>,
    /// How cloud-config is merged with what came before, where its own text does not say.
    pub merge_type: Option<Located<String>>,
    /// It came out of a template.
    pub rendered: bool,
}

impl<'b> Part<'b> {
    /// A part that says nothing of itself.
    pub fn new(bytes: &'b [u8], origin: Origin, depth: usize) -> Self {
        let (declared, rendered) = (Declared::Nothing, false);
        Self { bytes, origin, depth, declared, file_name: None, launch_index: None, merge_type: None, rendered }
    }
}

/// The parts of one document, as they are taken apart.
pub(super) struct Parts<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) findings: &'a mut Findings,
    /// MIME types that are left out.
    disabled: Vec<String>,
    pub(super) config: Node,
    pub(super) scripts: Vec<Script>,
    pub(super) incomplete: bool,
    /// Parts so far; those without a name of their own are numbered by it.
    pub(super) count: usize,
    /// All that came by, those that hold others too.
    seen: usize,
    /// Documents that were fetched.
    pub(super) fetched: usize,
    /// How many bytes all that is fetched, decompressed, rendered and taken out of archives may still have.
    left: u64,
}

impl<'a> Parts<'a> {
    pub fn new(
        document: &Document,
        disabled: Vec<String>,
        context: &'a Context<'a>,
        findings: &'a mut Findings,
    ) -> Self {
        let config = Node::empty(document.origin());
        let (scripts, incomplete, count, seen, fetched) = (Vec::new(), false, 0, 0, 0);
        let left = compression::LIMIT;
        Self { context, findings, disabled, config, scripts, incomplete, count, seen, fetched, left }
    }

    pub fn into_user_data(self) -> UserData {
        UserData { config: self.config, scripts: self.scripts, incomplete: self.incomplete }
    }

    /// Bytes as a platform or a server gave them, of any form.
    pub fn blob(&mut self, bytes: &[u8], origin: &Origin, depth: usize) {
        if bytes.len() > SIZE_LIMIT {
            let large = format!("larger than {} MiB; it is not used", SIZE_LIMIT >> 20);
            return self.findings.push(Finding::error(origin, large).help("fetch large content from a server"));
        }
        self.part(Part::new(bytes, origin.clone(), depth));
    }

    /// One part, compressed or not.
    pub fn part(&mut self, part: Part) {
        if self.is_full(&part.origin) {
            return;
        }
        self.seen += 1;
        if compression::is_gzip(part.bytes) {
            return self.compressed(part);
        }
        let (sniffed, before) = sniff(part.bytes);
        let form = match &part.declared {
            Declared::Nothing => sniffed,
            Declared::Perhaps(form) if sniffed == Form::Unknown => *form,
            Declared::Perhaps(_) => sniffed,
            _ if sniffed == Form::Empty => Form::Empty,
            Declared::Surely(Form::CloudConfig) if sniffed == Form::Template => Form::Template,
            Declared::Surely(form) => *form,
            Declared::Unknown(content_type) => {
                self.count += 1;
                let unknown = format!("a part of the type `{content_type}`, of which nothing is known; it is left out");
                let help = "cloud-config is `text/cloud-config`, a script `text/x-shellscript`";
                return self.findings.push(Finding::error(&part.origin, unknown).help(help));
            }
        };
        if !self.is_wanted(form, &part) {
            return;
        }
        self.say_what_hides(form, before, &part.origin);
        match form {
            Form::Empty => {}
            Form::Include { once } => self.include(&part, once),
            Form::Archive => self.archive(&part),
            Form::Message => self.message_behind(before, &part),
            Form::Template => self.template(part),
            Form::Script(run) => self.script(&part, run, before),
            Form::CloudConfig => self.cloud_config(&part),
            Form::Patch => self.patch(&part),
            Form::PartHandler => self.findings.push(
                Finding::error(&part.origin.at(1, 1), "a part handler is Python code for cloud-init; it is left out")
                    .help("there is no Python in this agent: let a script (`#!`) do it, on a file of `write_files`"),
            ),
            Form::Unknown => self.findings.push(unknown::finding(&part)),
        }
    }

    /// Whether no more parts are taken; said once for each that is turned away.
    pub fn is_full(&mut self, origin: &Origin) -> bool {
        let full = self.seen >= PART_LIMIT;
        if full {
            let many = format!("more than {PART_LIMIT} parts; what is from here on is left out");
            self.findings.push(Finding::error(&Origin::document(origin.document_name()), many));
        }
        full
    }

    /// The name of the document that the next part is.
    pub fn name_of_next(&self, around: &Origin, file_name: Option<&str>) -> String {
        let name = format!("{} part {}", around.document_name(), self.count + 1);
        file_name.map_or_else(|| name.clone(), |file_name| format!("{name} ({file_name})"))
    }

    /// Takes from what all of it may have in bytes; false, and said, where that is used up.
    pub fn take(&mut self, length: usize, origin: &Origin) -> bool {
        match self.left.checked_sub(length as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                let large = format!("more than {} MiB in all; this is left out", compression::LIMIT >> 20);
                self.findings.push(Finding::error(origin, large).help("fetch large content in a script"));
                false
            }
        }
    }

    fn compressed(&mut self, part: Part) {
        if part.depth >= DEPTH_LIMIT {
            let deep = format!("compressed more than {DEPTH_LIMIT} times over; it is not used");
            return self.findings.push(Finding::error(&part.origin, deep));
        }
        match compression::gunzip(part.bytes, self.left) {
            Ok(content) => {
                if self.take(content.len(), &part.origin) {
                    let origin = Origin::document(part.origin.document_name());
                    self.part(Part { bytes: &content, origin, depth: part.depth + 1, ..part });
                }
            }
            Err(error) => self.findings.push(Finding::error(&part.origin, format!("{error}; it is not used"))),
        }
    }

    /// Whether this instance and this layer want the part. Counts it where it is one.
    fn is_wanted(&mut self, form: Form, part: &Part) -> bool {
        let holds_others = matches!(form, Form::Include { .. } | Form::Archive | Form::Message | Form::Template);
        if !holds_others && form != Form::Empty {
            self.count += 1;
        }
        if let Some(content_type) = form.content_type().filter(|name| self.disabled.iter().any(|other| other == name)) {
            let left_out = format!("left out: `disabled_handlers` names {content_type}");
            self.findings.push(Finding::note(&part.origin, left_out));
            return false;
        }
        part.launch_index.as_ref().is_none_or(|index| self.is_for(&index.value, &index.origin))
    }

    /// Whether a part for the instance of that index is for this one. Where the platform does not number its instances,
    /// each part is for all.
    fn is_for(&mut self, index: &str, origin: &Origin) -> bool {
        let Some(own) = self.context.launch_index() else { return true };
        match index.trim().parse::<i64>() {
            Ok(index) if index == own => return true,
            Ok(index) => {
                let other = format!("for the instance {index} of this launch, which this is not; it is left out");
                self.findings.push(Finding::note(origin, other));
            }
            Err(_) => {
                let wrong = "the launch index is no number, so no instance has it; this part is left out";
                self.findings.push(Finding::error(origin, wrong));
            }
        }
        false
    }

    fn say_what_hides(&mut self, form: Form, before: Before, origin: &Origin) {
        let what = match form {
            Form::Empty | Form::Unknown | Form::Script(_) => return,
            _ if before.byte_order_mark => "a byte order mark",
            _ if before.document_start => "`---`",
            _ => return,
        };
        let hidden = format!("{what} stands before the first line; cloud-init would not read this");
        self.findings.push(Finding::note(origin, hidden));
    }

    fn message_behind(&mut self, before: Before, part: &Part) {
        let (above, message) = part.bytes.split_at_checked(before.length).unwrap_or((&[], part.bytes));
        let lines = above.iter().filter(|byte| **byte == b'\n').count();
        self.message(message, &part.origin.within(lines, 0), part.depth + 1);
    }

    fn cloud_config(&mut self, part: &Part) {
        let Some(text) = self.text(part.bytes, &part.origin) else { return };
        let Some(mut config) = document::parse(text, &part.origin, self.findings) else { return };
        if let Data::Mapping(entries) = &mut config.data {
            // A key of its own says it too; the header has the last word.
            let is_index = |(key, _): &(Node, Node)| key.text() == Some("launch-index");
            let index = entries.iter().position(is_index).map(|at| entries.remove(at).1);
            let own = index.filter(|_| part.launch_index.is_none());
            if own.is_none_or(|index| self.is_for(index.text().unwrap_or_default(), &index.origin)) {
                self.merge(config, part.merge_type.as_ref());
            }
        } else if !config.is_null() {
            let found = config.described();
            let message = format!("expected keys such as `users:`, found {found}; nothing of it is used");
            self.findings.push(Finding::error(&config.origin, message));
        }
    }

    /// A later part's cloud-config over what came before. `merge_type` is what the part's header says of how.
    fn merge(&mut self, later: Node, merge_type: Option<&Located<String>>) {
        let earlier = std::mem::replace(&mut self.config, Node::empty(later.origin.clone()));
        self.config = merge::part(earlier, later, merge_type, self.findings);
    }

    fn template(&mut self, part: Part) {
        let origin = &part.origin;
        if part.rendered {
            return self.findings.push(Finding::error(origin, "a template that makes a template; it is left out"));
        }
        let Some(text) = self.text(part.bytes, origin) else { return };
        let bare = text.trim_start_matches('\u{feff}').trim_start();
        let header = template::split_header(bare).map(|(header, _)| header.to_ascii_lowercase());
        if header.is_some_and(|header| !header.starts_with("## template: jinja")) {
            let loose = "cloud-init reads this only as `## template: jinja`, with these spaces";
            self.findings.push(Finding::note(&origin.at(1, 1), loose));
        }
        let lines = text.len() - bare.len();
        let above = text.get(..lines).unwrap_or_default().matches('\n').count();
        let origin = origin.within(above, 0);
        let data = self.context.instance_data;
        let Some(output) = template::render(bare, &origin, data, Purpose::UserData, self.findings) else {
            return;
        };
        if !self.take(output.len(), &origin) {
            return;
        }
        // Where blocks added or removed lines, places are places in what was rendered.
        let same_lines = output.lines().count() == bare.lines().count();
        let rendered = Origin::document(format!("{} (rendered)", origin.document_name()));
        let (origin, output) = if same_lines { (origin, output.as_str()) } else { (rendered, output.trim_start()) };
        let declared = match part.declared {
            Declared::Surely(Form::Template) => Declared::Nothing,
            declared => declared,
        };
        self.part(Part { bytes: output.as_bytes(), origin, declared, rendered: true, ..part });
    }

    /// The part as text, which all forms but scripts are.
    pub fn text<'b>(&mut self, bytes: &'b [u8], origin: &Origin) -> Option<&'b str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
                let message = "not UTF-8 from here on; nothing of it is used";
                self.findings.push(Finding::error(&origin.at(line, 1), message).help("save it as UTF-8"));
                None
            }
        }
    }
}
