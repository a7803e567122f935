// SPDX-License-Identifier: Apache-2.0
//! Jinja templates over instance data, as cloud-init renders them.
//!
//! What is not in the instance data is remembered by name while the template runs, and stands in its output as a private
//! mark. User-data shows the peer's text in its place; the image's settings leave the whole entry out.
//!
//! User-data's author may do what user-data may do, so a value stands there as it is. The image's settings decide more
//! than the platform's properties may: in them whatever an expression prints is a value, and never YAML.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value};

use crate::budget;
use crate::config::escape::escaped;
use crate::config::{methods, missing, nesting};
use crate::fault;
use crate::finding::{Finding, Findings, Origin};

mod values;

use values::{instance_value, is_missing, is_no_else, or_default};

/// The largest output, in bytes.
const OUTPUT_LIMIT: usize = 16 << 20;
/// How many instructions a template may take.
const FUEL: u64 = 2_000_000;
/// How much memory it may ask for in all, in bytes.
const MEMORY: usize = 128 << 20;

/// What is rendered: how values stand in the output, and what stands there for a variable that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The image's settings. Text is written as YAML's double quotes escape it; for what is missing there is a private
    /// mark, for [`drop_missing`](crate::config::missing::drop_missing).
    Settings,
    /// User-data. Text stands as it is; for what is missing `CI_MISSING_JINJA_VAR/name` as cloud-init prints it, and a
    /// warning.
    UserData,
}

/// The header line and the rest, where `text` is a template: it begins with `## template: jinja`, give or take spaces.
pub fn split_header(text: &str) -> Option<(&str, &str)> {
    let (header, body) = text.split_once('\n').unwrap_or((text, ""));
    let bare: String = header.to_ascii_lowercase().split_whitespace().collect();
    (bare == "##template:jinja").then_some((header.trim_end(), body))
}

/// Renders the template `text`, whose header becomes an empty line so that lines keep their numbers.
///
/// `None` with a finding where it is no template or fails. Bounds: 16 MiB of output, two million instructions.
pub fn render(
    text: &str,
    origin: &Origin,
    context: &serde_json::Value,
    purpose: Purpose,
    findings: &mut Findings,
) -> Option<String> {
    let source = match split_header(text) {
        Some((_, body)) => format!("\n{body}"),
        None => text.to_owned(),
    };
    if let Some((line, what)) = nesting::too_much(&source) {
        findings.push(Finding::error(&origin.at(line, 1), format!("the template has {what}; it is not used")));
        return None;
    }
    let evaluated =
        fault::apart(&format!("template {origin}"), || budget::within(MEMORY, || evaluate(&source, context, purpose)));
    let output = match evaluated {
        Some(Ok(output)) => output,
        None => {
            let much = "evaluating this template takes too much memory; it is not used";
            findings.push(Finding::error(origin, much).help("does it join texts to longer and longer ones in a loop?"));
            return None;
        }
        Some(Err(error)) => {
            let origin = error.line().map_or_else(|| origin.clone(), |line| origin.at(line, 1));
            let mut reason =
                error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
            // Which bound was met.
            if let Some(cause) = std::error::Error::source(&error) {
                reason += &format!(": {cause}");
            }
            let help = "what stands between `{{` and `}}` or `{%` and `%}` is Jinja; `{% raw %}` keeps it as it is";
            findings.push(Finding::error(&origin, format!("the template fails: {reason}")).help(help));
            return None;
        }
    };
    match purpose {
        Purpose::Settings => Some(output),
        Purpose::UserData => Some(missing::show(&output, &source, origin, findings)),
    }
}

fn evaluate(source: &str, context: &serde_json::Value, purpose: Purpose) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).build()?);
    environment.set_formatter(match purpose {
        Purpose::Settings => format_for_yaml,
        Purpose::UserData => format_value,
    });
    environment.add_test("defined", |value: &Value| !is_missing(value));
    environment.add_test("undefined", is_missing);
    environment.add_filter("default", or_default);
    environment.add_filter("d", or_default);
    environment.add_filter("tojson", methods::to_json);
    environment.set_unknown_method_callback(|_, value, name, arguments| {
        // What is missing stays so, whatever is asked of it.
        if is_missing(value) { Ok(value.clone()) } else { methods::call(value, name, arguments) }
    });
    let globals = environment.globals().map(|(name, _)| name.to_owned()).collect();
    let nothing = serde_json::json!({});
    let context = if context.is_object() { context } else { &nothing };
    let mut output = Bounded(Vec::new());
    environment.template_from_str(source)?.render_captured_to(instance_value(context, "", globals), &mut output)?;
    let mut output = String::from_utf8_lossy(&output.0).into_owned();
    // As the peer has it: the last line's end stays, also behind a block, whose own is taken away.
    if source.ends_with('\n') {
        output.push('\n');
    }
    Ok(output)
}

/// Output up to a bound.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_LIMIT {
            return Err(io::Error::other(format!("more than {} MiB of output", OUTPUT_LIMIT >> 20)));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn format_value(output: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_undefined() {
        if is_no_else(value) {
            return Ok(());
        }
        // Of `a["b"]` and `a[9]` the engine tells no name.
        return Ok(output.write_str(&missing::mark("unnamed"))?);
    }
    // As Python writes them; YAML reads both.
    minijinja::escape_formatter(output, state, value)
}

/// Text escaped, also that of a list or a mapping; numbers and booleans as they are. What the template's author marks as
/// safe is escaped like the rest: a filter may have cut an escape of it in two.
fn format_for_yaml(output: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    if is_missing(value) || matches!(value.kind(), ValueKind::Bool | ValueKind::Number | ValueKind::None) {
        return format_value(output, state, value);
    }
    Ok(output.write_str(&escaped(&value.to_string(), missing::is_mark))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn context() -> serde_json::Value {
        json!({
            "instance_id": "i-1",
            "v1": {"local-hostname": "web"},
            "meta": {"edgeproxy": "172.24.4.1", "role": "k8s-node", "skipinit": "yes", "empty": ""},
            "ds": {"keys": ["a", "b"], "n": 3, "flag": true}
        })
    }

    fn shown(body: &str) -> (Option<String>, Vec<String>) {
        let mut findings = Findings::default();
        let text = format!("## template: jinja\n{body}");
        let output = render(&text, &Origin::document("d"), &context(), Purpose::UserData, &mut findings);
        (output, findings.iter().map(ToString::to_string).collect())
    }

    fn fine(body: &str) -> String {
        let (output, findings) = shown(body);
        assert_eq!(findings, [""; 0], "{body}");
        output.unwrap().strip_prefix('\n').unwrap().to_owned()
    }

    #[test]
    fn the_end_of_the_last_line_stays_as_it_was() {
        assert_eq!(fine("a\n{% if true %}\nb\n{% endif %}\n"), "a\nb\n\n");
        assert_eq!(fine("a\n"), "a\n");
        assert_eq!(fine("a"), "a");
    }

    #[test]
    fn templates_see_instance_data_as_in_jinja() {
        assert_eq!(fine("{{ instance_id }} {{ v1.local_hostname }} {{ v1['local-hostname'] }}\n"), "i-1 web web\n");
        assert_eq!(fine("{% for k in ds['keys'] %}\n- {{ k }}\n{% endfor %}\nx"), "- a\n- b\nx");
        assert_eq!(fine("{% if meta.skipinit == 'yes' %}\na\n{% endif %}\nb"), "a\nb");
        assert_eq!(
            fine("{{ ds.n + 1 }} {{ ds.flag }} {{ ds['keys'][1] }} {{ range(2) | list | length }}"),
            "4 True b 2"
        );
        assert_eq!(fine("{% macro hi(n) %}<{{ n }}>{% endmacro %}{{ hi('a&b') }}"), "<a&b>");
        assert_eq!(
            fine("{% set x = [] %}{% for k, v in meta | dictsort %}{{ k }} {% endfor %}"),
            "edgeproxy empty role skipinit "
        );
    }

    #[test]
    fn what_is_missing_stays_so_whatever_is_asked_of_it() {
        for (body, name) in [
            ("{{ a.b.c }}", "a.b.c"),
            ("{{ meta.x | upper | trim }}", "X"),
            ("{{ meta.x.strip().split(',')[0] }}", "unnamed"),
            ("{{ meta.x.lower() }}", "meta.x"),
        ] {
            let (output, findings) = shown(body);
            assert!(output.unwrap().contains("CI_MISSING_JINJA_VAR/"), "{body}");
            assert!(
                findings.len() == 1
                    && findings[0].contains(name)
                    && (name == "unnamed" || findings[0].starts_with("d:2:1:")),
                "{findings:?}"
            );
        }
        assert_eq!(fine("{{ meta.x.strip() | default('d') }} {{ meta.x.a is defined }}"), "d False");
    }

    #[test]
    fn what_is_missing_can_be_asked_for() {
        assert_eq!(
            fine("{{ meta.x is defined }} {{ meta.role is defined }} {{ meta.x is undefined }}"),
            "False True True"
        );
        assert_eq!(
            fine("{{ meta.x | default('d') }} {{ a.b.c | d('e') }} {{ meta.empty | default('f', true) }}"),
            "d e f"
        );
        assert_eq!(fine("{% if meta.x or a.b %}yes{% else %}no{% endif %}"), "no");
        assert_eq!(
            fine("{{ meta.x != 'yes' }} {{ 'x' in meta }} {{ 'role' in meta }} {{ 'x' in nothing }}"),
            "True False True False"
        );
        assert_eq!(fine("{% for a in meta.x %}{{ a }}{% endfor %}."), ".");
    }

    #[test]
    fn what_is_missing_prints_as_the_peer_s_and_is_found() {
        let (output, findings) = shown("#cloud-config\nhostname: {{ ds.meta_data.name }}-{{ meta['x'] }}\n");
        assert_eq!(
            output.unwrap(),
            "\n#cloud-config\nhostname: CI_MISSING_JINJA_VAR/name-CI_MISSING_JINJA_VAR/unnamed\n"
        );
        assert!(
            findings[0].starts_with("d:3:1: warning: the instance data has no `ds.meta_data.name`"),
            "{findings:?}"
        );
    }

    #[test]
    fn errors_name_their_line() {
        for (body, start) in [
            ("a\n{{ b\n", "d:"),
            ("a\n{% if x %}\n", "d:"),
            ("a\n{{ 1 | nofilter }}\n", "d:3:1: error: the template fails: unknown filter"),
            ("a\nb\n{{ meta.x + 1 }}\n", "d:4:1: error: the template fails: invalid operation"),
        ] {
            let (output, findings) = shown(body);
            assert_eq!(output, None, "{body}");
            assert!(findings[0].starts_with(start), "{}", findings[0]);
        }
    }

    #[test]
    fn a_template_that_never_ends_or_grows_is_stopped() {
        let nested = "{% for a in range(99999) %}".repeat(3) + "x" + &"{% endfor %}".repeat(3);
        assert!(shown(&nested).1[0].contains("fuel"));
        let large = "{% set x = 'x' * 100000 %}{% for a in range(1000) %}{{ x }}{% endfor %}";
        assert!(shown(large).1[0].contains("more than 16 MiB of output"));
        assert!(shown(&format!("{{{{ a{} }}}}", ".b".repeat(900))).0.is_some_and(|output| output.len() < 1000));
        for attack in [".b", "|d", "+1", "[0]", "(", "[", "{", "-", " if a else b", " and a", "==1", " is odd", " not"]
        {
            assert!(shown(&format!("{{{{ a{}", attack.repeat(900 / attack.len()))).0.is_none(), "{attack}");
            assert!(shown(&format!("{{{{ a{}", attack.repeat(5000))).0.is_none(), "{attack}");
        }
        for block in ["{% if a %}", "{% for a in a %}", "{% if a %}{% elif a %}", "{% macro a() %}", "{% filter d %}"] {
            assert!(shown(&block.repeat(5000)).0.is_none(), "{block}");
        }
        let deep = (0..100).fold(json!(1), |below, _| json!({"a": below}));
        assert!(evaluate("{{ a.a.a.b }}", &deep, Purpose::UserData).unwrap().contains("a.a.a.b"));
        assert!(shown("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").1[0].contains("the template fails"));
    }

    #[test]
    fn headers() {
        assert_eq!(split_header("## template: jinja\nx\ny"), Some(("## template: jinja", "x\ny")));
        assert_eq!(split_header("##Template:jinja\r\nx"), Some(("##Template:jinja", "x")));
        assert_eq!(split_header("#cloud-config\n## template: jinja"), None);
    }
}
