// SPDX-License-Identifier: Apache-2.0
//! Python's methods of texts and mappings, as far as templates of the field call them, and what else of Jinja the engine
//! lacks.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;

/// The longest text that a method makes, in bytes: the engine counts its own steps only.
const LIMIT: usize = 1 << 20;

/// Calls the method `name` of `value`.
pub(super) fn call(value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.kind(), value.as_str()) {
        (_, Some(text)) => of_text(text, name, arguments),
        (ValueKind::Map, _) => of_mapping(value, name, arguments),
        _ => Err(ErrorKind::UnknownMethod.into()),
    }
}

/// A value as JSON.
pub(super) fn to_json(value: &Value) -> Result<String, Error> {
    Ok(json(value, 64)?.to_string())
}

fn json(value: &Value, depth: usize) -> Result<Json, Error> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Error::new(ErrorKind::BadSerialization, "too deeply nested for JSON"));
    };
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => value.is_true().into(),
        ValueKind::Number => match (i64::try_from(value.clone()), f64::try_from(value.clone())) {
            (Ok(whole), _) if value.is_integer() => whole.into(),
            (_, number) => number.unwrap_or_default().into(),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.map(|item| json(&item, depth)).collect::<Result<Vec<_>, _>>()?.into()
        }
        ValueKind::Map => {
            let entry = |key: Value| Ok((key.to_string(), json(&value.get_item(&key)?, depth)?));
            Json::Object(value.try_iter()?.map(entry).collect::<Result<_, Error>>()?)
        }
        _ => value.to_string().into(),
    })
}

fn of_text(text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    Ok(match name {
        "lower" | "casefold" => text.to_lowercase().into(),
        "upper" => text.to_uppercase().into(),
        "capitalize" => {
            let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
            format!("{}{}", first.to_uppercase(), rest.to_lowercase()).into()
        }
        "strip" | "lstrip" | "rstrip" => {
            let (which,): (Option<&str>,) = from_args(arguments)?;
            let is_cut = |c: char| which.map_or(c.is_whitespace(), |which| which.contains(c));
            match name {
                "strip" => text.trim_matches(is_cut),
                "lstrip" => text.trim_start_matches(is_cut),
                _ => text.trim_end_matches(is_cut),
            }
            .into()
        }
        "startswith" => from_args::<(&str,)>(arguments).map(|(start,)| text.starts_with(start))?.into(),
        "endswith" => from_args::<(&str,)>(arguments).map(|(end,)| text.ends_with(end))?.into(),
        "removeprefix" => from_args::<(&str,)>(arguments).map(|(it,)| text.strip_prefix(it).unwrap_or(text))?.into(),
        "removesuffix" => from_args::<(&str,)>(arguments).map(|(it,)| text.strip_suffix(it).unwrap_or(text))?.into(),
        "count" => from_args::<(&str,)>(arguments).map(|(part,)| text.matches(part).count())?.into(),
        "find" => from_args::<(&str,)>(arguments)
            .map(|(part,)| match text.split_once(part) {
                Some((before, _)) => i64::try_from(before.chars().count()).unwrap_or(i64::MAX),
                None => -1,
            })?
            .into(),
        "isdigit" => (!text.is_empty() && text.chars().all(char::is_numeric)).into(),
        "isalpha" => (!text.is_empty() && text.chars().all(char::is_alphabetic)).into(),
        "isalnum" => (!text.is_empty() && text.chars().all(char::is_alphanumeric)).into(),
        "splitlines" => text.lines().map(Value::from).collect::<Vec<_>>().into(),
        "zfill" => {
            let (width,): (usize,) = from_args(arguments)?;
            bounded(format!("{}{text}", "0".repeat(width.min(LIMIT + 1).saturating_sub(text.chars().count()))))?
        }
        "replace" => {
            let (old, new, count): (&str, &str, Option<usize>) = from_args(arguments)?;
            let count = count.unwrap_or(usize::MAX);
            if text.len() + text.matches(old).take(count).count().saturating_mul(new.len()) > LIMIT {
                return bounded("x".repeat(LIMIT + 1));
            }
            text.replacen(old, new, count).into()
        }
        "split" | "rsplit" => split(text, name == "rsplit", arguments)?,
        "join" => {
            let (items,): (Value,) = from_args(arguments)?;
            let mut joined = String::new();
            for (at, item) in items.try_iter()?.enumerate() {
                if at > 0 {
                    joined.push_str(text);
                }
                joined += &item.to_string();
                if joined.len() > LIMIT {
                    break;
                }
            }
            bounded(joined)?
        }
        _ => return Err(ErrorKind::UnknownMethod.into()),
    })
}

fn bounded(text: String) -> Result<Value, Error> {
    match text.len() {
        0..=LIMIT => Ok(text.into()),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "a text of more than 1 MiB")),
    }
}

/// At white space where no separator is given; at most so many times.
fn split(text: &str, from_end: bool, arguments: &[Value]) -> Result<Value, Error> {
    let (separator, limit): (Option<&str>, Option<i64>) = from_args(arguments)?;
    let most = limit.and_then(|limit| usize::try_from(limit).ok()).map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "an empty separator")),
        Some(separator) if from_end => text.rsplitn(most, separator).collect(),
        Some(separator) => text.splitn(most, separator).collect(),
        None if from_end => words(text.trim(), most, |rest| {
            rest.rsplit_once(char::is_whitespace).map(|(rest, word)| (word, rest.trim_end()))
        }),
        None => words(text.trim(), most, |rest| {
            rest.split_once(char::is_whitespace).map(|(word, rest)| (word, rest.trim_start()))
        }),
    };
    if from_end {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect::<Vec<_>>().into())
}

/// Words taken one after the other from one end, the rest in one piece.
fn words<'a>(text: &'a str, most: usize, next: impl Fn(&'a str) -> Option<(&'a str, &'a str)>) -> Vec<&'a str> {
    let (mut words, mut rest) = (Vec::new(), text);
    while words.len() + 1 < most
        && let Some((word, left)) = next(rest)
    {
        words.push(word);
        rest = left;
    }
    words.extend(Some(rest).filter(|rest| !rest.is_empty()));
    words
}

fn of_mapping(value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let entries = || value.try_iter()?.map(|key| Ok((value.get_item(&key)?, key))).collect::<Result<Vec<_>, Error>>();
    Ok(match name {
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(arguments)?;
            let found = value.get_item(&key)?;
            if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found }
        }
        "keys" => value.try_iter()?.collect::<Vec<_>>().into(),
        "values" => entries()?.into_iter().map(|(value, _)| value).collect::<Vec<_>>().into(),
        "items" => entries()?.into_iter().map(|(value, key)| Value::from(vec![key, value])).collect::<Vec<_>>().into(),
        _ => return Err(ErrorKind::UnknownMethod.into()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::template::{Purpose, render};
    use crate::finding::{Findings, Origin};

    fn shown(body: &str) -> (Option<String>, Vec<String>) {
        let data = json!({"meta": {"edgeproxy": "172.24.4.1", "role": "k8s-node", "skipinit": "yes", "empty": ""},
            "ds": {"keys": ["a", "b"], "n": 3, "flag": true}});
        let mut findings = Findings::default();
        let output = render(body, &Origin::document("d"), &data, Purpose::UserData, &mut findings);
        (output, findings.iter().map(ToString::to_string).collect())
    }

    fn fine(body: &str) -> String {
        let (output, findings) = shown(body);
        assert_eq!(findings, [""; 0], "{body}");
        output.unwrap()
    }

    #[test]
    fn texts_and_mappings_have_python_s_methods() {
        assert_eq!(fine("{{ ' A,b '.strip().lower().split(',') }}"), "['a', 'b']");
        assert_eq!(fine("{{ meta.role.split('-')[0] }} {{ meta.role.replace('-', '_').upper() }}"), "k8s K8S_NODE");
        assert_eq!(fine("{{ meta.role.startswith('k8s') }} {{ 'a b  c'.split() | length }}"), "True 3");
        assert_eq!(
            fine("{{ '-'.join(ds['keys']) }} {{ 'a.b.c'.split('.', 1)[1] }} {{ 'a.b.c'.rsplit('.', 1) }}"),
            "a-b b.c ['a.b', 'c']"
        );
        assert_eq!(fine("{{ meta.get('role') }} {{ meta.get('x', 'y') }} {{ meta.get('x') }}"), "k8s-node y None");
        assert_eq!(
            fine("{% for k, v in ds.items() %}{{ k }} {% endfor %}{{ meta.keys() | list | length }}"),
            "flag keys n 4"
        );
        assert_eq!(fine("{% for k in ds['keys'] %}{{ k }}{{ ', ' if not loop.last }}{% endfor %}"), "a, b");
        assert_eq!(fine("{{ meta.values() | first }}{% do meta.get('x') %}"), "172.24.4.1");
        assert_eq!(
            fine("{{ 'ab'.endswith('b') }} {{ 'x'.zfill(3) }} {{ '12'.isdigit() }} {{ 'aXa'.strip('a') }}"),
            "True 00x True X"
        );
        assert_eq!(fine("{{ ds['keys'] | tojson }} {{ meta | tojson | length > 20 }}"), "[\"a\",\"b\"] True");
        assert!(shown("{{ 'a'.explode() }}").1[0].contains("no method named explode"));
        assert!(shown("{{ 'a'.split(1) }}").1[0].contains("the template fails"));
    }

    #[test]
    fn what_a_method_makes_is_bounded() {
        for body in [
            "{{ 'a'.zfill(9999999999) }}",
            "{{ ('a' * 2000).replace('a', 'b' * 2000) }}",
            "{{ ('a' * 2000).join('b' * 2000) }}",
        ] {
            assert!(shown(body).1[0].contains("more than 1 MiB"), "{body}");
        }
        assert_eq!(fine("{{ 'a b  c '.rsplit(none, 1) }}{{ ' a b  c '.split(none, 1) }}"), "['a b', 'c']['a', 'b  c']");
    }
}
