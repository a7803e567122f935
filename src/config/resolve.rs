// SPDX-License-Identifier: Apache-2.0
//! What a scalar means: YAML 1.1 as PyYAML's `safe_load` resolves it.
//!
//! `yes` is true, `0644` is octal, `22:22` is 1342 and `1e3` is a string: documents in the field are written, and tested,
//! against these rules. Where PyYAML gives up on the whole document (`2024-13-01`, `0b_`) the text stays, with a warning.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::config::dates;
use crate::config::node::{Data, Node, Scalar, Value};

/// The prefix of YAML's own tags, written `!!`.
pub(super) const YAML_TAG: &str = "tag:yaml.org,2002:";

/// What `scalar` means. A tag that its text does not fit gives the text.
pub(super) fn resolve(scalar: &Scalar) -> Value {
    match &scalar.tag {
        Some(tag) => tagged(tag, &scalar.text),
        None if scalar.plain => plain(&scalar.text),
        None => None,
    }
    .unwrap_or_else(|| Value::Text(scalar.text.clone()))
}

/// A scalar with an explicit tag; `None` where the tag is not YAML's own or the text does not fit it.
pub(super) fn tagged(tag: &str, text: &str) -> Option<Value> {
    match tag.strip_prefix(YAML_TAG)? {
        "str" => Some(Value::Text(text.to_owned())),
        "null" => Some(Value::Null),
        "bool" => boolean(&text.to_ascii_lowercase()),
        "int" => integer(text.trim()).map(Value::Integer),
        "float" => float(text.trim()).map(Value::Float),
        "binary" => binary(text).map(Value::Binary),
        "timestamp" => dates::is_date(text).then(|| Value::Date(text.to_owned())),
        _ => None,
    }
}

impl Node {
    /// What YAML 1.1 makes of it; `None` for a sequence or a mapping.
    pub fn value(&self) -> Option<Value> {
        match &self.data {
            Data::Scalar(scalar) => Some(resolve(scalar)),
            _ => None,
        }
    }

    /// Whether it is nothing (`~`, `null`, empty).
    pub fn is_null(&self) -> bool {
        matches!(self.value(), Some(Value::Null))
    }

    /// What it is, for a message: "a list", "a mapping", "a number" …
    pub fn described(&self) -> &'static str {
        match (&self.data, self.value()) {
            (Data::Sequence(_), _) => "a list",
            (Data::Mapping(_), _) => "a mapping",
            (_, Some(Value::Null)) => "nothing",
            (_, Some(Value::Bool(_))) => "yes or no",
            (_, Some(Value::Integer(_) | Value::Float(_))) => "a number",
            (_, Some(Value::Date(_))) => "a date",
            (_, Some(Value::Binary(_))) => "binary",
            _ => "a string",
        }
    }
}

/// A plain scalar without a tag; `None` for a string.
fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        _ if text.starts_with(['y', 'Y', 'n', 'N', 't', 'T', 'f', 'F', 'o', 'O']) => plain_boolean(text),
        _ if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => None,
        _ if looks_like_integer(text) => integer(text).map(Value::Integer),
        _ if looks_like_float(text) => float(text).map(Value::Float),
        _ if dates::is_date(text) => Some(Value::Date(text.to_owned())),
        _ => None,
    }
}

/// Why PyYAML gives up on the whole document at this plain scalar without a tag, where it does. Here it is text.
pub(super) fn refused(text: &str) -> Option<&'static str> {
    match text {
        "=" => Some("a lone `=`"),
        _ if dates::looks_like_date(text) && !dates::is_date(text) => Some("a date or time that there is not"),
        _ if text.starts_with(['0', '+', '-']) && looks_like_integer(text) && text.ends_with('_') => {
            let digits = unsigned(text).trim_end_matches('_');
            matches!(digits, "0b" | "0x").then_some("a number without digits")
        }
        _ => None,
    }
}

/// `yes`, `Yes` and `YES`, but not `yEs`.
fn plain_boolean(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    let mut capital = lower.clone();
    if let Some(first) = capital.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let usual = text == lower || text == capital || text == lower.to_ascii_uppercase();
    if usual { boolean(&lower) } else { None }
}

fn boolean(lower: &str) -> Option<Value> {
    match lower {
        "yes" | "true" | "on" => Some(Value::Bool(true)),
        "no" | "false" | "off" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn all(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(allowed)
}

/// Decimal digits and `_`, the first one a digit.
fn is_digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && all(text, |c| c.is_ascii_digit() || c == '_')
}

/// The `:MM` parts of base 60: one or two digits below 60.
fn is_sixties(part: &str) -> bool {
    match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    }
}

fn looks_like_integer(text: &str) -> bool {
    let digits = unsigned(text);
    if let Some(binary) = digits.strip_prefix("0b") {
        return all(binary, |c| matches!(c, '0' | '1' | '_'));
    }
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return all(hexadecimal, |c| c.is_ascii_hexdigit() || c == '_');
    }
    if let Some(octal) = digits.strip_prefix('0') {
        return octal.chars().all(|c| matches!(c, '0'..='7' | '_'));
    }
    match digits.split_once(':') {
        None => is_digits(digits),
        Some((first, rest)) => is_digits(first) && rest.split(':').all(is_sixties),
    }
}

fn looks_like_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") || matches!(unsigned(text), ".inf" | ".Inf" | ".INF") {
        return true;
    }
    if let Some(fraction) = text.strip_prefix('.') {
        return is_digits(without_exponent(fraction));
    }
    let Some((whole, fraction)) = unsigned(text).split_once('.') else { return false };
    match whole.split_once(':') {
        None => is_digits(whole) && without_exponent(fraction).chars().all(|c| c.is_ascii_digit() || c == '_'),
        Some((first, rest)) => {
            is_digits(first)
                && rest.split(':').all(is_sixties)
                && fraction.chars().all(|c| c.is_ascii_digit() || c == '_')
        }
    }
}

/// Without `e+3`: the exponent needs its sign.
fn without_exponent(fraction: &str) -> &str {
    match fraction.split_once(['e', 'E']) {
        Some((mantissa, exponent))
            if exponent.starts_with(['+', '-']) && all(unsigned(exponent), |c| c.is_ascii_digit()) =>
        {
            mantissa
        }
        _ => fraction,
    }
}

/// `None` where it is no number, or beyond 128 bits.
fn integer(text: &str) -> Option<i128> {
    let text = text.replace('_', "");
    let digits = unsigned(&text);
    let size = match digits.get(..2) {
        Some("0b") => radix(digits.get(2..)?, 2),
        Some("0x") => radix(digits.get(2..)?, 16),
        // Only below `!!int`, where Python's `int` takes it; plain, it is a string.
        Some("0o") => radix(digits.get(2..)?, 8),
        _ if digits.contains(':') => {
            digits.split(':').try_fold(0i128, |sum, part| sum.checked_mul(60)?.checked_add(radix(part, 10)?))
        }
        _ if digits.starts_with('0') => radix(digits, 8),
        _ => radix(digits, 10),
    }?;
    Some(if text.starts_with('-') { -size } else { size })
}

fn radix(digits: &str, base: u32) -> Option<i128> {
    // `from_str_radix` would take a second sign.
    if digits.starts_with(['+', '-']) { None } else { i128::from_str_radix(digits, base).ok() }
}

fn float(text: &str) -> Option<f64> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let digits = unsigned(&text);
    let size = match digits {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        _ if digits.starts_with(['+', '-']) => return None,
        _ => digits.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?,
    };
    Some(if text.starts_with('-') { -size } else { size })
}

/// Base 64 as Python reads it: whatever is not of the alphabet is skipped.
fn binary(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
            .with_decode_allow_trailing_bits(true),
    );
    if !text.is_ascii() {
        return None;
    }
    let digits: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c)).collect();
    LENIENT.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        resolve(&Scalar { text: text.to_owned(), plain: true, tag: None })
    }

    /// What PyYAML 6.0 makes of each.
    #[test]
    fn plain_scalars_mean_what_they_mean_to_pyyaml() {
        for yes in ["yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"] {
            assert_eq!(read(yes), Value::Bool(true), "{yes}");
        }
        for no in ["no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"] {
            assert_eq!(read(no), Value::Bool(false), "{no}");
        }
        for null in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(read(null), Value::Null, "{null}");
        }
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("644", 644),
            ("+12", 12),
            ("-7", -7),
            ("0644", 0o644),
            ("-010", -8),
            ("00", 0),
            ("0_", 0),
            ("0_7", 7),
            ("0x1F", 31),
            ("0b11", 3),
            ("-0b1_0", -2),
            ("1_000", 1000),
            ("1__0_", 10),
            ("22:22", 1342),
            ("1:30", 90),
            ("-1:30", -90),
            ("1:2:3", 3723),
            ("52:54:00:12:34:00", 41_135_085_240),
        ] {
            assert_eq!(read(text), Value::Integer(number), "{text}");
        }
        for (text, number) in [
            ("1.10", 1.1),
            ("1.", 1.0),
            (".5", 0.5),
            ("1.0e+3", 1000.0),
            ("-1.5E-1", -0.15),
            ("1_0.2_5", 10.25),
            ("1:30.5", 90.5),
            (".inf", f64::INFINITY),
            ("-.INF", f64::NEG_INFINITY),
        ] {
            assert_eq!(read(text), Value::Float(number), "{text}");
        }
        assert!(matches!(read(".nan"), Value::Float(nan) if nan.is_nan()));
        for date in [
            "2024-01-02",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 21:59:43.10 -5",
            "2001-1-4T1:59:43Z",
            "2001-12-15 2:59:43",
        ] {
            assert_eq!(read(date), Value::Date(date.to_owned()), "{date}");
        }
    }

    #[test]
    fn what_only_looks_like_something_else_is_text() {
        for text in [
            "tRue",
            "y",
            "n",
            "Y",
            "N",
            "nuLL",
            "0o644",
            "08",
            "09",
            "0_8",
            "1e3",
            "1.0e3",
            "-.5",
            "1:60",
            "0:30",
            "01:30",
            "00:11:22:33:44:55",
            "52:54:00:ab:34:00",
            "52:54:00:12:99:00",
            "_1",
            "0x",
            "0b",
            "0b_",
            "0x_",
            "+",
            "-",
            ".",
            "..",
            "1.2.3",
            "2024-1-2",
            "2024-13-01",
            "2024-01-02 ",
            "2024-01-02T1:2:3",
            "2024-01-02T10:00:00 ",
            "=",
            "<<",
            "é",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(read(text), Value::Text(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_pyyaml_gives_up_on_is_known() {
        for text in ["=", "2024-13-01", "2023-02-29", "2024-01-02 25:00:00", "0b_", "-0x__"] {
            assert!(refused(text).is_some() && matches!(read(text), Value::Text(_)), "{text}");
        }
        for text in ["==", "2024-02-29", "2024-1-2", "0b", "0b1_", "0_", "1_"] {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn a_tag_says_what_its_text_is() {
        let tag = |name: &str, text: &str| tagged(&format!("{YAML_TAG}{name}"), text);
        assert_eq!(tag("str", "0644"), Some(Value::Text("0644".into())));
        assert_eq!(tag("int", "0644"), Some(Value::Integer(420)));
        assert_eq!(tag("int", "0o17"), Some(Value::Integer(15)));
        assert_eq!(tag("float", "3"), Some(Value::Float(3.0)));
        assert_eq!(tag("bool", "oN"), Some(Value::Bool(true)));
        assert_eq!(tag("null", "anything"), Some(Value::Null));
        assert_eq!(tag("binary", "aGVs\n  bG8="), Some(Value::Binary(b"hello".to_vec())));
        assert_eq!(tag("binary", "aGVsb"), None);
        assert_eq!(tag("int", "twelve"), None);
        assert_eq!(tag("bool", "maybe"), None);
        assert_eq!(tag("python/name:os.system", ""), None);
        assert_eq!(tagged("!secret", "x"), None);
    }
}
