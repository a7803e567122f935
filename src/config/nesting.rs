// SPDX-License-Identifier: Apache-2.0
//! Templates that the engine's parser would overflow its stack on: told before it sees them.
//!
//! It recurses along `a.b.c…`, `1+1+1…` and `{% elif %}…` without a bound of its own.

/// The longest tag, its strings not counted, in bytes.
const TAG_LIMIT: usize = 2000;
/// `{% elif %}` in all.
const ELIF_LIMIT: usize = 200;

/// The one-based line of the tag that is too much, and what is.
pub(super) fn too_much(source: &str) -> Option<(usize, &'static str)> {
    let bytes = source.as_bytes();
    let line = |at: usize| bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let (mut at, mut elifs) = (0, 0);
    while let Some(start) = find(bytes, at, b"{") {
        match bytes.get(start + 1) {
            Some(b'#') => at = find(bytes, start, b"#}").unwrap_or(bytes.len()),
            Some(b'{' | b'%') => {
                let tag = Tag::read(bytes, start + 2);
                elifs += usize::from(tag.word == b"elif");
                match () {
                    () if tag.length > TAG_LIMIT => return Some((line(start), "a tag of more than 2000 bytes")),
                    () if elifs > ELIF_LIMIT => return Some((line(start), "more than 200 `elif`")),
                    () if tag.word == b"raw" => at = find(bytes, tag.end, b"endraw").unwrap_or(bytes.len()),
                    () => at = tag.end,
                }
            }
            _ => at = start + 1,
        }
    }
    None
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes.get(from..)?.windows(what.len()).position(|window| window == what).map(|position| from + position)
}

/// What stands between `{{` or `{%` and its end.
struct Tag<'a> {
    /// Its first word.
    word: &'a [u8],
    /// Bytes outside of strings.
    length: usize,
    /// Where the text goes on.
    end: usize,
}

impl<'a> Tag<'a> {
    fn read(bytes: &'a [u8], start: usize) -> Self {
        let content = bytes.get(start..).unwrap_or_default();
        let mut tag = Self { word: first_word(content), length: 0, end: start };
        let (mut quote, mut open, mut escaped) = (None, 0usize, false);
        for (offset, byte) in content.iter().enumerate() {
            tag.end = start + offset + 1;
            if let Some(mark) = quote {
                if !escaped && *byte == mark {
                    quote = None;
                }
                escaped = !escaped && *byte == b'\\';
                continue;
            }
            tag.length += 1;
            match byte {
                b'"' | b'\'' => quote = Some(*byte),
                b'}' | b'%' if open == 0 && content.get(offset + 1) == Some(&b'}') => {
                    tag.end += 1;
                    break;
                }
                b'(' | b'[' | b'{' => open += 1,
                b')' | b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        tag
    }
}

fn first_word(content: &[u8]) -> &[u8] {
    let text = content.trim_ascii_start();
    let text = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text).trim_ascii_start();
    let end = text.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_told_by_their_line() {
        let chain = ".b".repeat(5000);
        let tag = Some((2, "a tag of more than 2000 bytes"));
        assert_eq!(too_much(&format!("x\n{{{{ a{chain} }}}}")), tag);
        assert_eq!(too_much(&format!("x\n{{% if a{chain} %}}{{% endif %}}")), tag);
        assert_eq!(too_much(&format!("x\n{{{{ '}}}}' ~ {{'a': {{}}}}{chain} }}}}")), tag);
        assert_eq!(too_much(&format!("x\n{{{{ '\\'}}}}' ~ a{chain}")), tag);
        assert_eq!(
            too_much(&format!("{{% if a %}}{}{{% endif %}}", "{%- elif a %}\n".repeat(300))),
            Some((201, "more than 200 `elif`"))
        );
    }

    #[test]
    fn a_text_may_end_where_a_tag_begins() {
        for text in ["{{", "a\n{%", "{#", "{% raw %}", "{{ '"] {
            assert_eq!(too_much(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_tag_may_be_long() {
        let long = "a.b ".repeat(5000);
        for text in [
            format!("{{# {long} #}}"),
            format!("{{% raw %}}{{{{ {long} }}}}{{% endraw %}}"),
            format!("{{{{ '{long}' }}}}"),
            format!("${{ {long}"),
            "{{ a }}".repeat(5000),
            "elif\n".repeat(5000),
        ] {
            assert_eq!(too_much(&text), None, "{}", &text[..20]);
        }
    }
}
