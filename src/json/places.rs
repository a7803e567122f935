// SPDX-License-Identifier: Apache-2.0
//! Where the values of a JSON document stand. The parser does not tell; so these read what it has found to be JSON again.

use std::collections::HashMap;

/// A place: one-based line and column, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counted from one.
    pub line: usize,
    /// Counted from one.
    pub column: usize,
}

/// Levels, as the parser has it.
const DEPTH_LIMIT: usize = 128;

/// Calls `said` with each key that its object has already, its first place, and this one.
pub fn duplicates(text: &str, mut said: impl FnMut(&str, Place, Place)) {
    let mut keys: Vec<HashMap<String, Place>> = Vec::new();
    walk(text, &mut |event| match event {
        Event::Key { depth, name, place, .. } => {
            keys.resize_with(depth.max(keys.len()), HashMap::new);
            if let Some(keys) = keys.get_mut(depth - 1)
                && let Some(first) = keys.insert(name.to_owned(), place)
            {
                said(name, first, place);
            }
        }
        // Its keys are another object's from here on.
        Event::Value { depth, .. } => keys.truncate(depth),
    });
}

/// Where the values of `paths` begin and end: paths as an origin names them, `networks[0].type`. A value that is not
/// there stands where the one around it begins.
pub fn find(text: &str, paths: &[&str]) -> HashMap<String, (Place, Place)> {
    // With those around them, as far as they may be asked for.
    let mut wanted: HashMap<&str, Option<(Place, Place)>> = HashMap::new();
    for path in paths {
        wanted.extend(std::iter::successors(Some(*path), |path| around(path)).map(|path| (path, None)));
    }
    walk(text, &mut |event| {
        if let Event::Value { path, start, end, .. } = event
            && let Some(place) = wanted.get_mut(path)
        {
            *place = Some((start, end));
        }
    });
    let known = |path: &str| wanted.get(path).copied().flatten();
    let place = |path: &&str| match known(path) {
        Some(place) => Some(place),
        None => {
            let (start, _) = std::iter::successors(around(path), |path| around(path)).find_map(known)?;
            Some((start, Place { column: start.column + 1, ..start }))
        }
    };
    paths.iter().filter_map(|path| Some(((*path).to_owned(), place(path)?))).collect()
}

/// The path of what is around a value; `None` for the document.
fn around(path: &str) -> Option<&str> {
    if path.is_empty() { None } else { path.get(..path.rfind(['.', '[']).unwrap_or(0)) }
}

enum Event<'a> {
    /// A key of an object in `depth` of them.
    Key { depth: usize, name: &'a str, place: Place },
    /// A whole value within `depth` lists and objects.
    Value { depth: usize, path: &'a str, start: Place, end: Place },
}

/// Goes through what is known to be JSON; ends where it is none.
fn walk(text: &str, visit: &mut dyn FnMut(Event)) {
    let mut walker = Walker { text, at: 0, place: Place { line: 1, column: 1 }, path: String::new(), visit };
    walker.value(0);
}

struct Walker<'a> {
    text: &'a str,
    /// Byte.
    at: usize,
    /// The same for a person.
    place: Place,
    path: String,
    visit: &'a mut dyn FnMut(Event),
}

impl Walker<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is no blank.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.advance(rest.len() - rest.trim_start().len());
        self.rest().chars().next()
    }

    fn advance(&mut self, bytes: usize) {
        let passed = self.text.get(self.at..self.at + bytes).unwrap_or_default();
        match passed.rsplit_once('\n') {
            Some((_, last)) => {
                self.place.line += passed.matches('\n').count();
                self.place.column = last.chars().count() + 1;
            }
            None => self.place.column += passed.chars().count(),
        }
        self.at += bytes;
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let open = self.peek()?;
        let start = self.place;
        match open {
            '{' | '[' if depth < DEPTH_LIMIT => self.entries(open, depth + 1)?,
            '{' | '[' => return None,
            '"' => self.advance(string(self.rest())),
            _ => {
                let rest = self.rest();
                let end = rest.find(|c: char| ",]}".contains(c) || c.is_ascii_whitespace()).unwrap_or(rest.len());
                self.advance(end);
            }
        }
        (self.visit)(Event::Value { depth, path: &self.path, start, end: self.place });
        Some(())
    }

    /// What stands between brackets.
    fn entries(&mut self, open: char, depth: usize) -> Option<()> {
        let length = self.path.len();
        self.advance(1);
        for index in 0.. {
            match self.peek()? {
                '}' | ']' => break,
                ',' => self.advance(1),
                _ => {}
            }
            if open == '[' {
                self.path += &format!("[{index}]");
            } else {
                self.peek()?;
                let place = self.place;
                let raw = self.rest().get(..string(self.rest()))?;
                let name: String = serde_json::from_str(raw).ok()?;
                self.advance(raw.len());
                (self.visit)(Event::Key { depth, name: &name, place });
                if length > 0 {
                    self.path.push('.');
                }
                self.path += &name;
                // The colon.
                self.peek()?;
                self.advance(1);
            }
            self.value(depth)?;
            self.path.truncate(length);
        }
        self.advance(1);
        Some(())
    }
}

/// The length of the string that `text` begins with, its quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, path: &str) -> String {
        let found = find(text, &[path]);
        found.get(path).map_or("nowhere".to_owned(), |(start, end)| {
            format!("{}:{}-{}:{}", start.line, start.column, end.line, end.column)
        })
    }

    #[test]
    fn values_are_found_by_their_path_and_those_that_are_not_there_by_what_is_around() {
        let text =
            "{\"links\": [\n  {\"id\": \"é\\\"\", \"mtu\": 1500},\n {\"id\":\"b\"}], \"n\": {\"dns.x\": null}}\n";
        assert_eq!(shown(text, "links[0].mtu"), "2:24-2:28");
        assert_eq!(shown(text, "links[0].id"), "2:10-2:15");
        assert_eq!(shown(text, "links[1].id"), "3:8-3:11");
        assert_eq!(shown(text, "links[1].type"), "3:2-3:3");
        assert_eq!(shown(text, "links[2]"), "1:11-1:12");
        assert_eq!(shown(text, "uuid"), "1:1-1:2");
        assert_eq!(shown(text, "n.dns.x"), "3:30-3:34");
        assert_eq!(shown("[1, \"a\"]", "[1]"), "1:5-1:8");
        assert_eq!(shown("", "a"), "nowhere");
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_walk(text in "[\\[\\]{},:\"\\\\a1é \n]{0,60}") {
            duplicates(&text, |_, _, _| {});
            find(&text, &["a", "[1].a"]);
        }
    }
}
