// SPDX-License-Identifier: Apache-2.0
//! libyaml's parser as safe Rust: a document's events, one at a time, each with its place.
//!
//! Events come one by one so that the reader can stop an attack before it costs anything.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use libyaml_rs::{
    YAML_ALIAS_EVENT, YAML_DOCUMENT_END_EVENT, YAML_DOCUMENT_START_EVENT, YAML_MAPPING_END_EVENT,
    YAML_MAPPING_START_EVENT, YAML_READER_ERROR, YAML_SCALAR_EVENT, YAML_SEQUENCE_END_EVENT, YAML_SEQUENCE_START_EVENT,
    YAML_STREAM_START_EVENT, YAML_UTF8_ENCODING, yaml_event_delete, yaml_event_t, yaml_mark_t, yaml_parser_delete,
    yaml_parser_initialize, yaml_parser_parse, yaml_parser_set_encoding, yaml_parser_set_input_string, yaml_parser_t,
};

/// A place in the text: one-based line and column, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub line: usize,
    pub column: usize,
}

/// What stands before a value: `&anchor` and `!tag`.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub anchor: Option<String>,
    /// In its full form: `tag:yaml.org,2002:int`, `!local`.
    pub tag: Option<String>,
}

#[derive(Debug)]
pub(super) enum Event {
    StreamStart,
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar { properties: Properties, text: String, plain: bool },
    SequenceStart(Properties),
    SequenceEnd,
    MappingStart(Properties),
    MappingEnd,
}

impl Event {
    /// The anchor that it sets.
    pub fn anchor(&self) -> Option<&str> {
        match self {
            Event::Scalar { properties, .. } | Event::SequenceStart(properties) | Event::MappingStart(properties) => {
                properties.anchor.as_deref()
            }
            _ => None,
        }
    }
}

/// Why the text is not YAML, in libyaml's words.
#[derive(Debug)]
pub(super) struct Problem {
    /// What was found, or not found.
    pub what: String,
    /// Where; `None` where only `offset` is known.
    pub mark: Option<Mark>,
    /// What was being read, and where that began.
    pub context: Option<(String, Mark)>,
    /// Byte at which a character was refused.
    pub offset: usize,
}

/// A parser over one text.
pub(super) struct Parser<'text> {
    /// On the heap: libyaml keeps the parser's own address in it.
    raw: Box<MaybeUninit<yaml_parser_t>>,
    text: PhantomData<&'text str>,
}

impl<'text> Parser<'text> {
    /// `None` where libyaml can't begin (it has no memory).
    #[allow(unsafe_code)]
    pub fn new(text: &'text str) -> Option<Self> {
        let mut raw = Box::new(MaybeUninit::uninit());
        // SAFETY: `raw` is initialised by the first call before any other uses it, and lives on the heap, so that the
        // address that libyaml keeps stays right. `text` outlives the parser by `'text`.
        unsafe {
            if !yaml_parser_initialize(raw.as_mut_ptr()).ok {
                return None;
            }
            yaml_parser_set_encoding(raw.as_mut_ptr(), YAML_UTF8_ENCODING);
            yaml_parser_set_input_string(raw.as_mut_ptr(), text.as_ptr(), text.len() as u64);
        }
        Some(Self { raw, text: PhantomData })
    }

    /// The next event. After the end of the stream or a problem, only `StreamEnd` comes.
    #[allow(unsafe_code)]
    pub fn next(&mut self) -> Result<(Event, Mark), Problem> {
        let mut event = MaybeUninit::<yaml_event_t>::uninit();
        // SAFETY: the parser is initialised (see `new`); libyaml zeroes the event before all else, and zero is a valid
        // event (none). What `read` takes from it is copied before it is deleted.
        unsafe {
            if !yaml_parser_parse(self.raw.as_mut_ptr(), event.as_mut_ptr()).ok {
                return Err(self.problem());
            }
            let read = (read(event.assume_init_ref()), mark(event.assume_init_ref().start_mark));
            yaml_event_delete(event.as_mut_ptr());
            Ok(read)
        }
    }

    #[allow(unsafe_code)]
    fn problem(&self) -> Problem {
        // SAFETY: the parser is initialised, and its texts are constants of libyaml.
        unsafe {
            let parser = self.raw.assume_init_ref();
            let known = parser.error != YAML_READER_ERROR;
            Problem {
                what: string(parser.problem.cast()).unwrap_or_else(|| "cannot be read".to_owned()),
                mark: known.then(|| mark(parser.problem_mark)),
                context: string(parser.context.cast()).map(|context| (context, mark(parser.context_mark))),
                offset: usize::try_from(parser.problem_offset).unwrap_or(usize::MAX),
            }
        }
    }
}

impl Drop for Parser<'_> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: the parser is initialised, and this is the last use of it.
        unsafe { yaml_parser_delete(self.raw.as_mut_ptr()) }
    }
}

fn mark(mark: yaml_mark_t) -> Mark {
    let one_based = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).saturating_add(1);
    Mark { line: one_based(mark.line), column: one_based(mark.column) }
}

/// # Safety
/// `event` was filled by `yaml_parser_parse` and is not deleted yet: its kind says which part of the union is valid, and
/// its texts are null or end in NUL.
#[allow(unsafe_code)]
unsafe fn read(event: &yaml_event_t) -> Event {
    // SAFETY: by the contract above.
    unsafe {
        match event.type_ {
            YAML_STREAM_START_EVENT => Event::StreamStart,
            YAML_DOCUMENT_START_EVENT => Event::DocumentStart,
            YAML_DOCUMENT_END_EVENT => Event::DocumentEnd,
            YAML_ALIAS_EVENT => Event::Alias(string(event.data.alias.anchor.cast()).unwrap_or_default()),
            YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let length = usize::try_from(scalar.length).unwrap_or(0);
                let bytes = std::slice::from_raw_parts(scalar.value, length);
                let mut properties = properties(scalar.anchor, scalar.tag);
                // A lone `!` asks for what a plain scalar would be.
                let lone = properties.tag.take_if(|tag| tag == "!").is_some();
                let text = String::from_utf8_lossy(bytes).into_owned();
                Event::Scalar { properties, text, plain: scalar.plain_implicit || lone }
            }
            YAML_SEQUENCE_START_EVENT => {
                Event::SequenceStart(properties(event.data.sequence_start.anchor, event.data.sequence_start.tag))
            }
            YAML_SEQUENCE_END_EVENT => Event::SequenceEnd,
            YAML_MAPPING_START_EVENT => {
                Event::MappingStart(properties(event.data.mapping_start.anchor, event.data.mapping_start.tag))
            }
            YAML_MAPPING_END_EVENT => Event::MappingEnd,
            _ => Event::StreamEnd,
        }
    }
}

/// # Safety
/// As [`string`].
#[allow(unsafe_code)]
unsafe fn properties(anchor: *const u8, tag: *const u8) -> Properties {
    // SAFETY: by the contract above.
    unsafe { Properties { anchor: string(anchor.cast()), tag: string(tag.cast()) } }
}

/// # Safety
/// `text` is null or points to bytes that end in NUL.
#[allow(unsafe_code)]
unsafe fn string(text: *const c_char) -> Option<String> {
    // SAFETY: by the contract above.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
