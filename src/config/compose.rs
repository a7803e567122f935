// SPDX-License-Identifier: Apache-2.0
//! From events to a tree: anchors, merge keys, duplicate keys, tags, and the bounds that keep an attack small.

use std::collections::HashMap;

use crate::config::events::{Event, Mark, Parser, Problem, Properties};
use crate::config::mapping::Mapping;
use crate::config::node::{Data, Node, Scalar};
use crate::config::resolve::{YAML_TAG, refused, tagged};
use crate::config::syntax;
use crate::finding::{Finding, Findings, Origin};

/// Levels of lists and mappings.
pub const DEPTH_LIMIT: usize = 100;
/// Values in a document, each anchor, and each use of it, counted as if written out.
pub const NODE_LIMIT: usize = 200_000;
/// Bytes of text in a document, each anchor, and each use of it, counted as if written out.
pub const TEXT_LIMIT: usize = 32 << 20;

/// `Err` ends the document; `Ok(None)` is one entry that is left out, after a finding that says so.
type Composed = Result<Option<Node>, Finding>;

/// The first document of `text`; an empty one is an empty mapping.
pub(super) fn compose(text: &str, document: &Origin, findings: &mut Findings) -> Composed {
    let Some(parser) = Parser::new(text) else {
        return Err(Finding::error(document, "there is no memory to read it"));
    };
    Composer { parser, text, document, findings, anchors: HashMap::new(), nodes: 0, bytes: 0 }.document()
}

struct Composer<'a> {
    parser: Parser<'a>,
    text: &'a str,
    document: &'a Origin,
    findings: &'a mut Findings,
    /// `None` while the anchored value is being read, and where it was left out.
    anchors: HashMap<String, Option<Node>>,
    nodes: usize,
    bytes: usize,
}

impl Composer<'_> {
    fn document(mut self) -> Composed {
        let root = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart, _) => {}
                (Event::StreamEnd, _) => return Ok(Some(Node::empty(self.document.clone()))),
                (event, mark) => break self.value(event, mark, 1)?,
            }
        };
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(root),
                (_, mark) => {
                    let second =
                        Finding::error(&self.at(mark), "a second document begins here; only the first is used");
                    self.findings.push(second.help("remove the `---`, or make it a part of its own"));
                    return Ok(root);
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event, Mark), Finding> {
        self.parser.next().map_err(|problem: Problem| syntax::explain(&problem, self.text, self.document))
    }

    fn at(&self, mark: Mark) -> Origin {
        self.document.at(mark.line, mark.column)
    }

    fn node(&mut self, event: Event, mark: Mark, depth: usize) -> Composed {
        let origin = self.at(mark);
        if let Some(name) = event.anchor().map(str::to_owned)
            && self.anchors.insert(name, None).is_some()
        {
            self.peer_gives_up(&origin, "an anchor of the same name as one before it");
        }
        let (Properties { anchor, tag }, data) = match event {
            Event::Alias(name) => return self.alias(&name, &origin, depth),
            Event::Scalar { properties, text, plain } => {
                self.count(1, text.len(), &origin)?;
                let tag = properties.tag.clone();
                if let (true, None, Some(what)) = (plain, &tag, refused(&text)) {
                    self.peer_gives_up(&origin, what);
                }
                (properties, Data::Scalar(Scalar { text, plain, tag }))
            }
            Event::SequenceStart(properties) => {
                self.enter(depth, &origin)?;
                let data = self.sequence(depth)?;
                (properties, data)
            }
            Event::MappingStart(properties) => {
                self.enter(depth, &origin)?;
                let data = self.mapping(depth)?;
                (properties, data)
            }
            // libyaml's grammar has no other event where a value begins.
            _ => return Err(Finding::error(&origin, "a value is missing here")),
        };
        let fits = tag.is_none_or(|tag| self.fits(&tag, &data, &origin));
        let node = fits.then(|| Node { origin: origin.clone(), data });
        if let Some(name) = anchor {
            self.anchor(name, node.as_ref(), &origin)?;
        }
        Ok(node)
    }

    /// Before the content of a list or mapping is read, so that `[` 100,000 times ends at the hundredth.
    fn enter(&mut self, depth: usize, origin: &Origin) -> Result<(), Finding> {
        if depth > DEPTH_LIMIT {
            return Err(too_deep(origin));
        }
        self.count(1, 0, origin)
    }

    fn sequence(&mut self, depth: usize) -> Result<Data, Finding> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Data::Sequence(items)),
                (event, mark) => items.extend(self.value(event, mark, depth + 1)?),
            }
        }
    }

    /// What is no key.
    fn value(&mut self, event: Event, mark: Mark, depth: usize) -> Composed {
        let node = self.node(event, mark, depth)?;
        if let Some(node) = node.as_ref().filter(|node| is_merge(node)) {
            self.peer_gives_up(&node.origin, "a lone `<<` that is no key");
        }
        Ok(node)
    }

    fn peer_gives_up(&mut self, origin: &Origin, what: &str) {
        let warning = Finding::warning(origin, format!("{what}: cloud-init would use nothing of this document"));
        self.findings.push(warning.help("text needs quotes here; each anchor a name of its own"));
    }

    fn mapping(&mut self, depth: usize) -> Result<Data, Finding> {
        let mut merged = Mapping::default();
        let mut own = Mapping::default();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, mark) => self.node(event, mark, depth + 1)?,
            };
            let (event, mark) = self.next()?;
            let value = self.value(event, mark, depth + 1)?;
            match (key, value) {
                (Some(key), Some(value)) if is_merge(&key) => self.merge(value, &mut merged),
                (Some(key), Some(value)) if key.text().is_some() => self.insert(key, value, &mut own),
                (Some(key), _) if key.text().is_none() => self.findings.push(
                    Finding::error(&key.origin, format!("{} cannot be a key; the entry is left out", key.described()))
                        .help("text with braces needs quotes; a template needs `## template: jinja` as its first line"),
                ),
                _ => {}
            }
        }
        // What is merged stands before, so that the mapping's own entries replace it.
        for (key, value) in own.into_entries() {
            merged.insert(key, value);
        }
        Ok(Data::Mapping(merged.into_entries()))
    }

    fn insert(&mut self, key: Node, value: Node, own: &mut Mapping) {
        let origin = key.origin.clone();
        let Some((first, _)) = own.insert(key, value) else { return };
        let line = first.origin.line().map(|(line, _)| line).unwrap_or_default();
        let name = first.text().unwrap_or_default();
        self.findings.push(
            Finding::warning(
                &origin,
                format!("`{name}` stands here again (first on line {line}); only the last one counts"),
            )
            .help("put the content of both below one key"),
        );
    }

    /// `<<: *a` and `<<: [*a, *b]`: of a list the earlier wins, of two `<<` the later.
    fn merge(&mut self, value: Node, merged: &mut Mapping) {
        let sources = match value.data {
            Data::Sequence(items) => items.into_iter().rev().collect(),
            _ => vec![value],
        };
        for source in sources {
            match source.data {
                Data::Mapping(entries) => entries.into_iter().for_each(|(key, value)| {
                    merged.insert(key, value);
                }),
                _ => self.findings.push(
                    Finding::error(&source.origin, format!("`<<` merges mappings; this is {}", source.described()))
                        .help("put `\"<<\"` in quotes if it is meant as a key"),
                ),
            }
        }
    }

    /// The anchored value again.
    fn alias(&mut self, name: &str, origin: &Origin, depth: usize) -> Composed {
        let anchored = match self.anchors.get(name) {
            Some(Some(anchored)) => anchored,
            Some(None) => {
                let inside = "an alias inside of its own anchor, or of one that was left out; so is this entry";
                self.findings.push(Finding::error(origin, inside));
                return Ok(None);
            }
            None => {
                // Its name is not told: a password that begins with `*` reads as an alias.
                let unknown = "an alias of nothing, as no anchor of its name stands before it; the entry is left out";
                let help = "text that begins with `*` needs quotes";
                self.findings.push(Finding::error(origin, unknown).help(help));
                return Ok(None);
            }
        };
        let size = Size::of(anchored);
        if depth + size.levels > DEPTH_LIMIT {
            return Err(too_deep(origin));
        }
        self.count(size.nodes, size.bytes, origin)?;
        Ok(self.anchors.get(name).cloned().flatten())
    }

    /// Keeps a value for its aliases. The copy counts too: anchors in anchors are copied once for each level.
    fn anchor(&mut self, name: String, node: Option<&Node>, origin: &Origin) -> Result<(), Finding> {
        let size = node.map(Size::of).unwrap_or_default();
        self.count(size.nodes, size.bytes, origin)?;
        self.anchors.insert(name, node.cloned());
        Ok(())
    }

    fn count(&mut self, nodes: usize, bytes: usize, origin: &Origin) -> Result<(), Finding> {
        self.nodes += nodes;
        self.bytes += bytes;
        let bound = match () {
            () if self.nodes > NODE_LIMIT => format!("more than {NODE_LIMIT} values"),
            () if self.bytes > TEXT_LIMIT => format!("more than {} MiB of text", TEXT_LIMIT >> 20),
            () => return Ok(()),
        };
        let unbounded =
            Finding::error(origin, format!("{bound}, aliases counted as if written out; the document is not used"));
        Err(unbounded.help("make it smaller, or split it"))
    }

    /// Whether the tag is one that documents may use, and fits the value.
    fn fits(&mut self, tag: &str, data: &Data, origin: &Origin) -> bool {
        if tag == "!" {
            return true;
        }
        let own = tag.strip_prefix(YAML_TAG);
        let shown = own.map_or_else(|| tag.to_owned(), |name| format!("!!{name}"));
        let fits = match (data, own) {
            (Data::Scalar(scalar), Some("merge")) => scalar.text == "<<",
            (Data::Scalar(scalar), Some(_)) => tagged(tag, &scalar.text).is_some(),
            (Data::Sequence(_), Some(name)) => matches!(name, "seq" | "omap" | "pairs"),
            (Data::Mapping(_), Some(name)) => matches!(name, "map" | "set"),
            (_, None) => false,
        };
        if !fits {
            self.findings.push(
                Finding::error(
                    origin,
                    format!("the tag `{shown}` is not known or does not fit; the entry is left out"),
                )
                .help("text that begins with `!` needs quotes"),
            );
        }
        fits
    }
}

/// Plain `<<`; in quotes it is a key like any other.
fn is_merge(key: &Node) -> bool {
    match &key.data {
        Data::Scalar(scalar) => match &scalar.tag {
            Some(tag) => tag.strip_prefix(YAML_TAG) == Some("merge"),
            None => scalar.plain && scalar.text == "<<",
        },
        _ => false,
    }
}

fn too_deep(origin: &Origin) -> Finding {
    Finding::error(origin, format!("more than {DEPTH_LIMIT} levels of lists and mappings; the document is not used"))
}

/// What a value costs.
#[derive(Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    /// Levels of lists and mappings below it.
    levels: usize,
}

impl Size {
    fn of(node: &Node) -> Self {
        let mut size = Self::default();
        size.add(node, 0);
        size
    }

    fn add(&mut self, node: &Node, depth: usize) {
        self.nodes += 1;
        self.levels = self.levels.max(depth);
        match &node.data {
            Data::Scalar(scalar) => self.bytes += scalar.text.len(),
            Data::Sequence(items) => items.iter().for_each(|item| self.add(item, depth + 1)),
            Data::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                self.add(key, depth + 1);
                self.add(value, depth + 1);
            }),
        }
    }
}
