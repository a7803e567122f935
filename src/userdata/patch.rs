// SPDX-License-Identifier: Apache-2.0
//! `#cloud-config-jsonp`: a JSON patch (RFC 6902) of the cloud-config that came before it.

use crate::config::document::{self, Data, Node, Scalar, Value};
use crate::finding::Finding;
use crate::userdata::parts::{Part, Parts};

const HEADER: &str = "#cloud-config-jsonp";

/// How many changes one patch may make.
const LIMIT: usize = 1000;
/// How deep a value may be, as for documents.
const DEPTH: usize = 100;
/// How many values the result may have, as for documents.
const VALUES: usize = 200_000;

impl Parts<'_> {
    /// All changes of a patch, or none of them where one cannot be made.
    pub(super) fn patch(&mut self, part: &Part) {
        let Some(text) = self.text(part.bytes, &part.origin) else { return };
        // JSON is YAML's flow style; the header, with which it may share a line, leaves its place empty.
        let start = text.find(|c: char| !c.is_whitespace() && c != '\u{feff}').unwrap_or_default();
        let is_header = |text: &str| text.get(..HEADER.len()).is_some_and(|head| head.eq_ignore_ascii_case(HEADER));
        let mut text = text.to_owned();
        if text.get(start..).is_some_and(is_header) {
            text.replace_range(start..start + HEADER.len(), &" ".repeat(HEADER.len()));
        }
        let Some(changes) = document::parse(&text, &part.origin, self.findings) else { return };
        let Some(changes) = changes.items().filter(|changes| changes.len() <= LIMIT) else {
            let message = format!("expected a list of at most {LIMIT} changes; nothing of this patch is made");
            let help = "RFC 6902: [{\"op\": \"add\", \"path\": \"/key\", \"value\": 1}]";
            return self.findings.push(Finding::error(&changes.origin, message).help(help));
        };
        let mut patched = self.config.clone();
        let mut size = count(&patched);
        for change in changes {
            if let Err(why) = apply(change, &mut patched, &mut size) {
                let message = format!("{why}; nothing of this patch is made");
                return self.findings.push(Finding::error(&change.origin, message));
            }
        }
        if matches!(patched.data, Data::Mapping(_)) {
            self.config = patched;
        } else {
            let message = "what is left is no mapping; nothing of this patch is made";
            self.findings.push(Finding::error(&part.origin, message));
        }
    }
}

fn apply(change: &Node, document: &mut Node, size: &mut usize) -> Result<(), String> {
    let member = |name: &str| change.get(name).ok_or_else(|| format!("a change without `{name}`"));
    let path = |name: &str| member(name)?.text().map(str::to_owned).ok_or_else(|| format!("`{name}` is no text"));
    let (op, target) = (path("op")?, path("path")?);
    match op.as_str() {
        "add" => add(document, &target, member("value")?.clone(), size),
        "remove" => remove(document, &target).map(drop),
        "replace" => {
            remove(document, &target)?;
            add(document, &target, member("value")?.clone(), size)
        }
        "move" => {
            let source = path("from")?;
            if target.starts_with(&format!("{source}/")) {
                return Err(format!("`{source}` cannot move into itself"));
            }
            let moved = remove(document, &source)?;
            add(document, &target, moved, size)
        }
        "copy" => {
            let copied = find(document, &path("from")?)?.clone();
            add(document, &target, copied, size)
        }
        "test" if same(find(document, &target)?, member("value")?) => Ok(()),
        "test" => Err(format!("the test of `{target}` fails")),
        other => Err(format!("`{other}` is no change that RFC 6902 knows")),
    }
}

/// The steps of a JSON pointer (RFC 6901).
fn steps(path: &str) -> Result<Vec<String>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let path = path.strip_prefix('/').ok_or_else(|| format!("the path `{path}` does not begin with `/`"))?;
    Ok(path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn missing(path: &str) -> String {
    format!("there is no `{path}` in what came before")
}

fn find<'a>(document: &'a mut Node, path: &str) -> Result<&'a mut Node, String> {
    let mut node = document;
    for step in steps(path)? {
        node = match &mut node.data {
            Data::Mapping(entries) => {
                entries.iter_mut().find(|(key, _)| key.text() == Some(&step)).map(|(_, value)| value)
            }
            Data::Sequence(items) => index(&step).and_then(|index| items.get_mut(index)),
            Data::Scalar(_) => None,
        }
        .ok_or_else(|| missing(path))?;
    }
    Ok(node)
}

/// An index as RFC 6901 writes it: no sign, no zero before.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| plain)
}

/// The value that holds the one at `path`, and that one's name in it.
fn holder<'a>(document: &'a mut Node, path: &str) -> Result<(&'a mut Node, String), String> {
    let last = steps(path)?.pop().ok_or("the whole document is no part of another")?;
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    Ok((find(document, above)?, last))
}

fn add(document: &mut Node, path: &str, value: Node, size: &mut usize) -> Result<(), String> {
    *size += count(&value);
    if *size > VALUES {
        return Err(format!("more than {VALUES} values"));
    }
    if steps(path)?.len() + depth(&value) > DEPTH {
        return Err(format!("more than {DEPTH} levels"));
    }
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (holder, last) = holder(document, path)?;
    match &mut holder.data {
        Data::Mapping(entries) => match entries.iter_mut().find(|(key, _)| key.text() == Some(&last)) {
            Some((_, old)) => *old = value,
            None => {
                let scalar = Scalar { text: last, plain: false, tag: None };
                entries.push((Node { origin: value.origin.clone(), data: Data::Scalar(scalar) }, value));
            }
        },
        Data::Sequence(items) => {
            let at = if last == "-" { Some(items.len()) } else { index(&last) };
            let at = at.filter(|at| *at <= items.len()).ok_or_else(|| missing(path))?;
            items.insert(at, value);
        }
        Data::Scalar(_) => return Err(missing(path)),
    }
    Ok(())
}

fn remove(document: &mut Node, path: &str) -> Result<Node, String> {
    if path.is_empty() {
        return Ok(std::mem::replace(document, Node::empty(document.origin.clone())));
    }
    let (holder, last) = holder(document, path)?;
    let removed = match &mut holder.data {
        Data::Mapping(entries) => {
            let at = entries.iter().position(|(key, _)| key.text() == Some(&last));
            at.map(|at| entries.remove(at).1)
        }
        Data::Sequence(items) => index(&last).filter(|at| *at < items.len()).map(|at| items.remove(at)),
        Data::Scalar(_) => None,
    };
    removed.ok_or_else(|| missing(path))
}

/// Whether both are the same value, wherever they are written.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.data, &other.data) {
        (Data::Scalar(_), Data::Scalar(_)) => match (one.value(), other.value()) {
            (Some(Value::Integer(one)), Some(Value::Float(other)))
            | (Some(Value::Float(other)), Some(Value::Integer(one))) => one as f64 == other,
            (one, other) => one == other,
        },
        (Data::Sequence(ones), Data::Sequence(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Data::Mapping(ones), Data::Mapping(others)) => {
            let has = |key: &Node, value: &Node| {
                other.get(key.text().unwrap_or_default()).is_some_and(|other| same(value, other))
            };
            ones.len() == others.len() && ones.iter().all(|(key, value)| has(key, value))
        }
        _ => false,
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.data {
        Data::Scalar(_) => 0,
        Data::Sequence(items) => items.iter().map(count).sum(),
        Data::Mapping(entries) => entries.iter().map(|(key, value)| count(key) + count(value)).sum(),
    }
}

fn depth(node: &Node) -> usize {
    1 + match &node.data {
        Data::Scalar(_) => 0,
        Data::Sequence(items) => items.iter().map(depth).max().unwrap_or(0),
        Data::Mapping(entries) => entries.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use crate::userdata::tests::read;

    /// The config after the patch on one line, and what is said.
    fn patched(patch: &str) -> (String, Vec<String>) {
        let config = "a: [1, 2]\n    b: {c: x, d/e: yes}\n";
        let text = format!("#cloud-config-archive\n- |\n    {config}- |\n  #cloud-config-jsonp\n  {patch}\n");
        let (all, findings) = read(text.as_bytes());
        (crate::config::document::tests::shown(&all.config), findings)
    }

    #[test]
    fn changes_are_made_in_their_order() {
        for (patch, result) in [
            (
                r#"[{"op": "add", "path": "/new", "value": {"x": [true]}}]"#,
                "{a: [1, 2], b: {c: x, d/e: yes}, \"new\": {\"x\": [true]}}",
            ),
            (
                r#"[{"op": "add", "path": "/a/-", "value": 3}, {"op": "add", "path": "/a/0", "value": 0}]"#,
                "{a: [0, 1, 2, 3], b: {c: x, d/e: yes}}",
            ),
            (r#"[{"op": "remove", "path": "/a/1"}, {"op": "remove", "path": "/b/d~1e"}]"#, "{a: [1], b: {c: x}}"),
            (r#"[{"op": "replace", "path": "/b", "value": null}]"#, "{a: [1, 2], \"b\": null}"),
            (r#"[{"op": "move", "from": "/b/c", "path": "/a/0"}]"#, "{a: [x, 1, 2], b: {d/e: yes}}"),
            (r#"[{"op": "copy", "from": "/a", "path": "/b/c"}]"#, "{a: [1, 2], b: {c: [1, 2], d/e: yes}}"),
            (
                r#"[{"op": "test", "path": "/a", "value": [1, 2.0]}, {"op": "test", "path": "/b/d~1e", "value": true}]"#,
                "{a: [1, 2], b: {c: x, d/e: yes}}",
            ),
        ] {
            assert_eq!(patched(patch), (result.to_owned(), vec![]), "{patch}");
        }
    }

    #[test]
    fn one_change_that_cannot_be_made_leaves_all_out() {
        let grow = [r#"{"op": "copy", "from": "", "path": "/a/-"}"#; 30].join(", ");
        for (change, why) in [
            (r#"{"op": "test", "path": "/b/c", "value": "y"}"#, "the test of `/b/c` fails"),
            (r#"{"op": "remove", "path": "/a/2"}"#, "there is no `/a/2`"),
            (r#"{"op": "replace", "path": "/none", "value": 1}"#, "there is no `/none`"),
            (r#"{"op": "add", "path": "/none/x", "value": 1}"#, "there is no `/none`"),
            (r#"{"op": "add", "path": "/a/3", "value": 1}"#, "there is no `/a/3`"),
            (r#"{"op": "add", "path": "/a/00", "value": 1}"#, "there is no `/a/00`"),
            (r#"{"op": "add", "path": "a", "value": 1}"#, "does not begin with `/`"),
            (r#"{"op": "move", "from": "/b", "path": "/b/c"}"#, "cannot move into itself"),
            (r#"{"op": "add", "path": "/a"}"#, "a change without `value`"),
            (r#"{"op": "merge", "path": "/a"}"#, "`merge` is no change"),
            (r#"{"op": "replace", "path": "", "value": []}"#, "what is left is no mapping"),
            ("7", "a change without `op`"),
            (&grow, "more than"),
        ] {
            let (config, findings) = patched(&format!(r#"[{{"op": "remove", "path": "/a/0"}}, {change}]"#));
            assert_eq!(config, "{a: [1, 2], b: {c: x, d/e: yes}}", "{change}");
            assert!(findings.len() == 1 && findings[0].contains(why), "{findings:?}");
        }
        let (_, findings) = patched(r#"{"op": "remove", "path": "/a"}"#);
        assert!(findings[0].starts_with("user_data part 2:7:3: error: expected a list of"), "{findings:?}");
    }
}
