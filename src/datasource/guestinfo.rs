// SPDX-License-Identifier: Apache-2.0
//! VMware's `guestinfo` variables, asked for through the tools that images for VMware have.
//!
//! Not through the hypervisor's back door: that is a port that takes privileged assembler, and on newer hosts a socket;
//! open-vm-tools knows which, and is there wherever the variables are used.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::compression::{gunzip, is_gzip};
use crate::datasource::documents::FILE_LIMIT;
use crate::datasource::{Context, platform};
use crate::encoding::base64;
use crate::error::{Error, Kind, Result};
use crate::program;

/// The tools in the order in which they are asked, each with the arguments before the question. The first is quicker;
/// where the host refuses its kind of question, the second is answered all the same.
const TOOLS: [(&str, &[&str]); 2] = [("vmware-rpctool", &[]), ("vmtoolsd", &["--cmd"])];
/// For one answer, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// What both say of a variable that is not set.
const NOTHING: &str = "No value found";
/// The value of one that was wiped; a variable can't be taken away.
const WIPED: &str = "---";

/// The variables of this machine.
pub(super) struct Guestinfo {
    /// Those that are there; where one hangs the others would, too, and none is left.
    tools: RefCell<Vec<(PathBuf, &'static [&'static str])>>,
}

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// This, decoded.
    Document(Vec<u8>),
    /// Nothing any more.
    Wiped,
}

impl Guestinfo {
    /// # Errors
    /// Absent, with the reason: this is no such machine (unless `asked` says so all the same), or has no such tool.
    pub(super) fn of(context: &Context, asked: bool) -> Result<Self> {
        if !asked && platform::vmware(context.guest).is_none() {
            return Err(Error::absent("the firmware does not name VMware"));
        }
        if !context.root.is_live() {
            return Err(Error::absent("guestinfo variables are told to the running machine alone"));
        }
        let tool = |(name, before): (&str, _)| Some((PathBuf::from(context.guest.tool(name)?), before));
        let tools: Vec<_> = TOOLS.into_iter().filter_map(tool).collect();
        if tools.is_empty() {
            let names = TOOLS.map(|(name, _)| name).join(" nor ");
            return Err(Error::absent(format!("neither {names} is in the image, which open-vm-tools has")));
        }
        Ok(Self { tools: RefCell::new(tools) })
    }

    /// The value of `guestinfo.KEY`, decoded as `guestinfo.KEY.encoding` says; `None` where it has none.
    ///
    /// # Errors
    /// Malformed: it can't be decoded. Fatal: no tool gives an answer.
    pub(super) fn get(&self, key: &str) -> Result<Option<Variable>> {
        let Some(value) = self.ask(key)? else { return Ok(None) };
        match value.trim_ascii() {
            b"" => return Ok(None),
            wiped if wiped == WIPED.as_bytes() => return Ok(Some(Variable::Wiped)),
            _ => {}
        }
        let encoding = self.ask(&format!("{key}.encoding"))?.unwrap_or_default();
        let document = decoded(value, String::from_utf8_lossy(&encoding).trim());
        document.map(|document| Some(Variable::Document(document))).map_err(|error| error.while_doing(name(key)))
    }

    /// The first of these variables that has a value, if only that of one that was wiped.
    pub(super) fn first(&self, keys: &[&'static str]) -> Result<Option<&'static str>> {
        for key in keys {
            if self.ask(key)?.is_some_and(|value| !value.trim_ascii().is_empty()) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The value as it is set.
    fn ask(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let question = format!("info-get {}", name(key));
        let limit = usize::try_from(FILE_LIMIT).unwrap_or(usize::MAX);
        let mut tools = self.tools.borrow_mut();
        let mut wrong = Error::fatal("no tool of VMware's gives an answer");
        while let Some((tool, before)) = tools.first() {
            let arguments = [*before, &[question.as_str()]].concat();
            let answer = match program::ask(tool, &arguments, limit, PATIENCE) {
                Ok(answer) => answer,
                Err(error) if error.kind() == Kind::Malformed => return Err(error.while_doing(name(key))),
                Err(error) => {
                    tools.clear();
                    return Err(Error::fatal(error.without_advice()));
                }
            };
            if answer.success {
                return Ok(Some(without_newline(answer.output)));
            }
            let says =
                |text: &[u8]| text.windows(NOTHING.len()).any(|part| part.eq_ignore_ascii_case(NOTHING.as_bytes()));
            if says(answer.complaint.as_bytes()) || says(&answer.output) {
                return Ok(None);
            }
            wrong = Error::fatal(refusal(tool, &answer.complaint));
            // The next one may be allowed to ask what this one is not.
            tools.remove(0);
        }
        Err(wrong)
    }
}

#[cfg(test)]
impl Guestinfo {
    /// Of a machine with that tool.
    pub(super) fn testing(tool: PathBuf) -> Self {
        Self { tools: RefCell::new(vec![(tool, TOOLS[1].1)]) }
    }
}

/// As people know it.
pub(super) fn name(key: &str) -> String {
    format!("guestinfo.{key}")
}

fn refusal(tool: &Path, complaint: &str) -> String {
    let first = complaint.lines().next().unwrap_or("it says nothing");
    format!("{} gives no answer: {first}", tool.display())
}

/// Without the newline that the tool adds.
fn without_newline(mut value: Vec<u8>) -> Vec<u8> {
    value.pop_if(|last| *last == b'\n');
    value
}

/// What `value` stands for.
///
/// # Errors
/// Malformed: it is not in that encoding, or that is none of those known.
pub(super) fn decoded(value: Vec<u8>, encoding: &str) -> Result<Vec<u8>> {
    match encoding {
        "" | "text/plain" => Ok(value),
        "base64" | "b64" | "gzip+base64" | "gz+base64" | "gz+b64" | "gzip+b64" => {
            let bytes = base64(&value).ok_or_else(|| Error::malformed("declared as base64, and it is not"))?;
            if is_gzip(&bytes) { gunzip(&bytes, FILE_LIMIT) } else { Ok(bytes) }
        }
        other => Err(Error::malformed(format!("unknown encoding `{other}`")).help("base64, gzip+base64, or none")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::scratch::Scratch;

    /// A vmtoolsd that has these variables, and notes what it was asked.
    pub fn vmtoolsd(scratch: &Scratch, variables: &[(&str, &str)]) -> Guestinfo {
        for (key, value) in variables {
            scratch.file(&format!("/variables/{key}"), value);
        }
        let place = scratch.path("");
        let script = format!(
            "#!/bin/sh\n[ $# = 2 ] && [ \"$1\" = --cmd ] || exit 64\necho \"$2\" >> '{0}/asked'\n\
             key=${{2#info-get guestinfo.}}\n\
             if [ -e '{0}/variables/'\"$key\" ]; then cat '{0}/variables/'\"$key\"; echo; else echo 'No value found' >&2; exit 1; fi\n",
            place.display()
        );
        Guestinfo::testing(tool(scratch, "vmtoolsd", &script))
    }

    fn tool(scratch: &Scratch, name: &str, script: &str) -> PathBuf {
        scratch.file(name, script);
        let path = scratch.path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_variable_is_what_was_set_decoded() {
        let scratch = Scratch::new();
        let guestinfo = vmtoolsd(
            &scratch,
            &[
                ("plain", "a: 1\n\n"),
                ("packed", "H4sIAAAAAAACA1NW1E/KzNMvzuACAB2d+wQKAAAA\n"),
                ("packed.encoding", "gzip+base64"),
                ("coded", "aGVsbG8"),
                ("coded.encoding", "b64"),
                ("odd", "x"),
                ("odd.encoding", "rot13"),
                ("empty", " "),
                ("wiped", "---"),
            ],
        );
        let document = |key: &str| match guestinfo.get(key).unwrap() {
            Some(Variable::Document(bytes)) => String::from_utf8(bytes).unwrap(),
            other => format!("{other:?}"),
        };
        assert_eq!(document("plain"), "a: 1\n\n");
        assert_eq!((document("coded"), document("packed")), ("hello".into(), "#!/bin/sh\n".into()));
        assert_eq!(
            (document("empty"), document("missing"), document("wiped")),
            ("None".into(), "None".into(), "Some(Wiped)".into())
        );
        let error = guestinfo.get("odd").unwrap_err().to_string();
        assert!(error.starts_with("guestinfo.odd: unknown encoding `rot13`"), "{error}");
        assert_eq!(guestinfo.first(&["empty", "missing", "wiped"]).unwrap(), Some("wiped"));
        assert_eq!(guestinfo.first(&["empty", "missing"]).unwrap(), None);
    }

    #[test]
    fn a_tool_that_may_not_ask_gives_way_to_the_next_and_is_not_asked_again() {
        let scratch = Scratch::new();
        let refused = tool(
            &scratch,
            "vmware-rpctool",
            "#!/bin/sh\necho x >> \"$0.asked\"\necho 'Permission denied' >&2\nexit 1\n",
        );
        let guestinfo = vmtoolsd(&scratch, &[("metadata", "{}")]);
        guestinfo.tools.borrow_mut().insert(0, (refused.clone(), TOOLS[0].1));
        assert_eq!(guestinfo.get("metadata").unwrap(), Some(Variable::Document(b"{}".to_vec())));
        assert_eq!(scratch.text("vmware-rpctool.asked"), "x\n");
        let alone = Guestinfo::testing(refused);
        let error = alone.get("metadata").unwrap_err();
        assert!(error.to_string().ends_with("/vmware-rpctool gives no answer: Permission denied"), "{error}");
        assert!(!error.is_absent() && !error.is_transient());
    }

    #[test]
    fn a_tool_that_hangs_is_asked_once() {
        let scratch = Scratch::new();
        let hangs = tool(&scratch, "vmtoolsd", "#!/bin/sh\necho x >> \"$0.asked\"\nexec sleep 600\n");
        let guestinfo = Guestinfo::testing(hangs);
        for _ in 0..3 {
            assert_eq!(guestinfo.get("metadata").unwrap_err().kind(), Kind::Fatal);
        }
        assert_eq!(scratch.text("vmtoolsd.asked"), "x\n");
    }
}
