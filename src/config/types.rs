// SPDX-License-Identifier: Apache-2.0
//! Types that occur in more than one module: file modes, sizes, durations, one-or-many.

use std::path::{Component, PathBuf};
use std::time::Duration;

use crate::config::document::{Data, Node, Value};
use crate::config::read::{Kind, Read, unfit};
use crate::finding::{Finding, Findings, Located};

/// One value or a list of them: cloud-init's "string or list".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T: Read> Read for OneOrMany<T> {
    fn kind() -> Kind {
        Kind::OneOf(vec![T::kind(), Vec::<T>::kind()])
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match &node.data {
            Data::Sequence(_) => Vec::read(node, findings).map(Self),
            _ => T::read(node, findings).map(|one| Self(vec![one])),
        }
    }
}

/// Commands: each a line for the shell, or a list of words; one alone needs no list.
pub type Commands = OneOrMany<OneOrMany<String>>;

/// Words in one string, between commas or spaces, or in a list, or as the keys of a mapping: how groups are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Read for Words {
    fn kind() -> Kind {
        let words = Kind::Scalar("words between commas");
        Kind::OneOf(vec![words.clone(), Kind::List(Box::new(words)), Kind::Named(Box::new(Kind::Any))])
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let texts: Vec<String> = match &node.data {
            Data::Scalar(_) => vec![String::read(node, findings)?],
            Data::Sequence(items) => items.iter().filter_map(|item| String::read(item, findings)).collect(),
            Data::Mapping(entries) => entries.iter().filter_map(|(key, _)| String::read(key, findings)).collect(),
        };
        let between = |c: char| c == ',' || c.is_whitespace();
        let words = texts.iter().flat_map(|text| text.split(between)).filter(|word| !word.is_empty());
        Some(Self(words.map(str::to_owned).collect()))
    }
}

/// A password as it is typed. One that YAML makes a number of is a warning: the peer may see another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed(pub String);

impl Read for Typed {
    fn kind() -> Kind {
        String::kind()
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let mut said = Findings::default();
        let text = String::read(node, &mut said);
        if text.is_some() && !matches!(node.value(), Some(Value::Text(_))) {
            let number = format!("without quotes this password is {} to cloud-init, not the text", node.described());
            findings.push(Finding::warning(&node.origin, number).help("put it in quotes"));
        } else {
            findings.extend(said);
        }
        text.map(Self)
    }
}

/// A scalar as it is written, where a boolean or a number is as good as its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verbatim(pub String);

impl Read for Verbatim {
    fn kind() -> Kind {
        String::kind()
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        String::read(node, &mut Findings::default()).map(Self).or_else(|| unfit(node, &Self::kind(), findings))
    }
}

/// A mapping from names that the author chooses, in the author's order; an entry that does not fit costs only itself.
#[derive(Debug, Clone)]
pub struct Named<T>(pub Vec<(Located<String>, T)>);

impl<T: Read> Read for Named<T> {
    fn kind() -> Kind {
        Kind::Named(Box::new(T::kind()))
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let Data::Mapping(entries) = &node.data else { return unfit(node, &Self::kind(), findings) };
        let entry = |(key, value): &(Node, Node)| Some((Located::read(key, findings)?, T::read(value, findings)?));
        Some(Self(entries.iter().filter_map(entry).collect()))
    }
}

/// An absolute path, without `..`.
impl Read for PathBuf {
    fn kind() -> Kind {
        Kind::Scalar("an absolute path")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let path = PathBuf::from(String::read(node, findings)?);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        let fits = path.is_absolute() && !climbs && !path.as_os_str().as_encoded_bytes().contains(&0);
        if fits { Some(path) } else { unfit(node, &Self::kind(), findings) }
    }
}

/// A value, or `false` for none: `sudo: false`, `locale: false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrFalse<T>(pub Option<T>);

impl<T: Read> Read for OrFalse<T> {
    fn kind() -> Kind {
        Kind::OneOf(vec![T::kind(), Kind::Word(&["false"])])
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.value() {
            Some(Value::Bool(false)) => Some(Self(None)),
            Some(Value::Bool(true)) => unfit(node, &Self::kind(), findings),
            _ => T::read(node, findings).map(|value| Self(Some(value))),
        }
    }
}

/// A file's permission bits, with set-id and sticky.
///
/// Octal in quotes (`"0644"`, `"644"`, `"0o644"`) and octal with a zero before (`0644`). Plain `644` is decimal for
/// cloud-init and gives the mode 1204; here it is octal, with a warning. Only where that makes no sense as a mode and
/// the decimal does (420 is 0644: what programs write), it is decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Read for Mode {
    fn kind() -> Kind {
        Kind::Scalar("a file mode such as \"0644\"")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let text = node.text().unwrap_or_default().trim();
        let octal = |digits: &str| u32::from_str_radix(digits.strip_prefix("0o").unwrap_or(digits), 8).ok();
        let mode = match node.value() {
            Some(Value::Integer(number)) if text.starts_with(|c| ('1'..='9').contains(&c)) => {
                let decimal = u32::try_from(number).ok();
                let (mode, read_as) = match octal(text).filter(|mode| is_sane(*mode) || !decimal.is_some_and(is_sane)) {
                    Some(mode) => (Some(mode), "octal"),
                    None => (decimal, "decimal"),
                };
                if let (Some(mode), Some(decimal)) = (mode, decimal) {
                    let message = format!(
                        "`{text}` without quotes is taken as {read_as}, mode {mode:04o}; cloud-init sets mode {decimal:04o}"
                    );
                    findings
                        .push(Finding::warning(&node.origin, message).help(format!("write \"{mode:04o}\", in quotes")));
                }
                mode
            }
            Some(Value::Integer(number)) => u32::try_from(number).ok(),
            Some(Value::Text(_)) => octal(text),
            _ => None,
        };
        match mode.filter(|mode| *mode <= 0o7777) {
            Some(mode) => Some(Self(mode)),
            None => unfit(node, &Self::kind(), findings),
        }
    }
}

/// Whether it is a mode that somebody would want: nobody may do what a closer one may not.
fn is_sane(mode: u32) -> bool {
    let (user, group, other) = (mode >> 6 & 7, mode >> 3 & 7, mode & 7);
    mode <= 0o7777 && group & !user == 0 && other & !group == 0
}

/// `500ms`, `10s`, `2m`, `1h`, `1d`; a number alone is seconds. At most a year.
impl Read for Duration {
    fn kind() -> Kind {
        Kind::Scalar("a duration such as `500ms`, `10s` or `2m`")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        let duration = match node.value() {
            Some(Value::Integer(seconds)) => u64::try_from(seconds).ok().map(Duration::from_secs),
            Some(Value::Float(seconds)) => Duration::try_from_secs_f64(seconds).ok(),
            Some(Value::Text(text)) => duration(text.trim()),
            _ => None,
        };
        match duration {
            Some(duration) if duration <= YEAR => Some(duration),
            Some(_) => {
                findings.push(Finding::error(&node.origin, "more than a year").help("durations are at most `365d`"));
                None
            }
            None => unfit(node, &Self::kind(), findings),
        }
    }
}

pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// A size in bytes: a number, or one with `K`, `M`, `G` or `T` behind it (also `KB`, `KiB`), base 1024 as for
/// cloud-init's `human2bytes`, which refuses lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Read for Size {
    fn kind() -> Kind {
        Kind::Scalar("a size such as 1073741824, `512M` or `2G`")
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let bytes = match node.value() {
            Some(Value::Integer(bytes)) => u64::try_from(bytes).ok(),
            Some(Value::Text(text)) => size(text.trim()),
            _ => None,
        };
        let Some(bytes) = bytes else { return unfit(node, &Self::kind(), findings) };
        let text = node.text().unwrap_or_default();
        if text.contains(['k', 'm', 'g', 't']) {
            let lower = format!("`{text}` is taken as {bytes} bytes; cloud-init knows upper case only");
            findings.push(Finding::note(&node.origin, lower));
        }
        Some(Self(bytes))
    }
}

pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let unit = unit.to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    let bytes = number * 1024f64.powi(power);
    // Beyond 2^53 a float no longer counts single bytes; no disk is larger.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (bytes < 9_007_199_254_740_992.0).then_some(bytes as u64)
}

/// `1.5G` as the number 1.5 and the unit `G`; no sign, no exponent.
fn split_unit(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;

    fn read<T: Read>(text: &str) -> (Option<T>, String) {
        let mut findings = Findings::default();
        let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
        let value = T::read(&node, &mut findings);
        (value, findings.iter().map(ToString::to_string).collect())
    }

    fn fine<T: Read>(text: &str) -> T {
        let (value, findings) = read(text);
        assert_eq!(findings, "", "{text}");
        value.unwrap()
    }

    #[test]
    fn modes_that_mean_one_thing() {
        for text in ["\"0644\"", "'644'", "0644", "0o644", "\"0o644\"", "0x1a4"] {
            assert_eq!(fine::<Mode>(text), Mode(0o644), "{text}");
        }
        assert_eq!(fine::<Mode>("04755"), Mode(0o4755));
        assert_eq!(fine::<Mode>("0"), Mode(0));
    }

    #[test]
    fn a_plain_mode_without_zero_is_octal_and_the_peer_is_quoted() {
        assert_eq!(
            read::<Mode>("644"),
            (
                Some(Mode(0o644)),
                "d:1:1: warning: `644` without quotes is taken as octal, mode 0644; cloud-init sets mode 1204\n    \
                 help: write \"0644\", in quotes"
                    .to_owned()
            )
        );
        assert_eq!(read::<Mode>("755").0, Some(Mode(0o755)));
        // What a program writes for 0644, 0755 and 0600.
        for (text, mode) in [("420", 0o644), ("493", 0o755), ("384", 0o600)] {
            let (read, finding) = read::<Mode>(text);
            assert_eq!(read, Some(Mode(mode)));
            assert!(finding.contains("is taken as decimal"), "{finding}");
        }
    }

    #[test]
    fn what_is_no_mode_is_found() {
        for text in ["rw-r--r--", "0888", "\"9\"", "010000", "-1", "true", "[0644]", "1.5", "99999"] {
            let (mode, findings) = read::<Mode>(text);
            assert_eq!(mode, None, "{text}");
            assert!(findings.contains("expected a file mode"), "{findings}");
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("5", 5000),
            ("0.5", 500),
            ("'1.5 s'", 1500),
            ("0s", 0),
        ] {
            assert_eq!(fine::<Duration>(text), Duration::from_millis(milliseconds), "{text}");
        }
        for text in ["-1", "10 weeks", "s", "1e9s", "soon", "400d", ".nan"] {
            assert_eq!(read::<Duration>(text).0, None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("512", 512), ("2G", 2 << 30), ("2GiB", 2 << 30), ("1.5K", 1536), ("10 MB", 10 << 20), ("7B", 7)]
        {
            assert_eq!(fine::<Size>(text), Size(bytes), "{text}");
        }
        let (lower, finding) = read::<Size>("1g");
        assert_eq!(lower, Some(Size(1 << 30)));
        assert!(finding.contains("note: `1g` is taken as 1073741824 bytes"), "{finding}");
        for text in ["auto", "-1G", "2X", "G", "9999999T", "[1]"] {
            assert_eq!(read::<Size>(text).0, None, "{text}");
        }
    }

    #[test]
    fn paths_are_absolute_and_do_not_climb() {
        assert_eq!(fine::<PathBuf>("/mnt/config"), PathBuf::from("/mnt/config"));
        for text in ["mnt", "/a/../b", "..", "\"/a\\0b\"", "~", "\"\""] {
            assert_eq!(read::<PathBuf>(text).0, None, "{text}");
        }
    }

    #[test]
    fn one_many_words_and_false() {
        assert_eq!(fine::<OneOrMany<String>>("a b"), OneOrMany(vec!["a b".to_owned()]));
        assert_eq!(fine::<OneOrMany<String>>("[a, b]").0, ["a", "b"]);
        assert_eq!(read::<OneOrMany<String>>("{a: b}").1, "d:1:1: error: expected a string, found a mapping");
        for text in ["adm, sudo", "adm sudo", "[adm, sudo]", "['adm,sudo']", "{adm, sudo}"] {
            assert_eq!(fine::<Words>(text).0, ["adm", "sudo"], "{text}");
        }
        assert_eq!(fine::<OrFalse<String>>("no"), OrFalse(None));
        assert_eq!(fine::<OrFalse<String>>("C.UTF-8"), OrFalse(Some("C.UTF-8".to_owned())));
        assert_eq!(read::<OrFalse<String>>("yes").1, "d:1:1: error: expected a string or false, found yes or no");
    }
}
