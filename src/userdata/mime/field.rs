// SPDX-License-Identifier: Apache-2.0
//! Header fields of a MIME entity and their parameters: folding (RFC 5322), quotes (RFC 2045), RFC 2231.

/// The fields of a header in their order.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a line of the header; false where it is none.
    pub fn add(&mut self, line: &str) -> bool {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = self.0.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
                return true;
            }
            return false;
        }
        let Some((name, value)) = line.split_once(':') else { return false };
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name {
            self.0.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        is_name
    }

    /// The first field of that name, which is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// A parameter of a field's value, e.g. `boundary`; continuations are joined and RFC 2231's encoding is undone.
pub(super) fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut plain = None;
    let mut pieces: Vec<(u32, bool, String)> = Vec::new();
    for segment in segments(value).into_iter().skip(1) {
        let Some((key, value)) = segment.split_once('=') else { continue };
        let key = key.trim().to_ascii_lowercase();
        let Some(behind) = key.strip_prefix(wanted) else { continue };
        let value = unquoted(value.trim());
        match behind.strip_prefix('*') {
            None if behind.is_empty() => plain = plain.or(Some(value)),
            None => {}
            Some("") => pieces.push((0, true, value)),
            Some(number) => {
                let (number, encoded) = number.strip_suffix('*').map_or((number, false), |number| (number, true));
                pieces.extend(number.parse().ok().map(|number| (number, encoded, value)));
            }
        }
    }
    if pieces.is_empty() {
        return plain;
    }
    pieces.sort_by_key(|(number, ..)| *number);
    let mut bytes = Vec::new();
    for (index, (_, encoded, text)) in pieces.into_iter().enumerate() {
        // The first piece begins with `charset'language'`. Names here are UTF-8 or plain ASCII.
        let text = if encoded && index == 0 { text.splitn(3, '\'').last().unwrap_or_default() } else { &text };
        if encoded { bytes.extend(percent_decoded(text)) } else { bytes.extend_from_slice(text.as_bytes()) }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value between semicolons that no quotes protect.
fn segments(value: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |c: char| {
        let ends = c == ';' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    };
    value.split(ends).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '"' if !escaped => break,
            '\\' if !escaped => escaped = true,
            _ => {
                escaped = false;
                text.push(c);
            }
        }
    }
    text
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(piece.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_every_writing_are_read() {
        for (value, expected) in [
            ("attachment; filename=a.sh", Some("a.sh")),
            ("attachment; FileName = \"a; \\\"b\\\".sh\" ; x=y", Some("a; \"b\".sh")),
            ("attachment; filename*=utf-8''caf%C3%A9%2", Some("café%2")),
            ("attachment; filename=plain; filename*=UTF-8'en'better", Some("better")),
            ("attachment; filename*1*=%20b; filename*2=\".sh\"; filename*0*=''a", Some("a b.sh")),
            ("attachment; filenames=a", None),
            ("attachment", None),
            ("filename=a", None),
            ("attachment; filename=\"open", Some("open")),
            ("attachment; filename*x=a; filename*=", Some("")),
        ] {
            assert_eq!(parameter(value, "filename").as_deref(), expected, "{value}");
        }
    }
}
