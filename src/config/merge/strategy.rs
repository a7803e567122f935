// SPDX-License-Identifier: Apache-2.0
//! How a part of user-data says that it wants to be merged: `merge_how`, `merge_type`, the header `Merge-Type`.
//!
//! Two syntaxes as cloud-init's `mergers` reads them: `list(append)+dict(no_replace,recurse_list)+str()`, or a list of
//! `{name: list, settings: [append]}`. Of two mergers of one name the first counts.

use crate::config::document::{Data, Node};
use crate::config::read::Read as _;
use crate::config::types::Words;
use crate::finding::{Finding, Findings, Located, Origin};

/// What becomes of two values that want the same place, by their kinds. `None`: the earlier value stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strategy {
    /// Two mappings.
    pub dict: Option<Dict>,
    /// Two lists.
    pub list: Option<List>,
    /// Two strings.
    pub str: Option<Str>,
}

/// Options of `dict(…)`. Mappings within are always merged, unless `replace` says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dict {
    /// The later value of a key replaces the earlier one; else the earlier stays where it is not merged.
    pub replace: bool,
    /// Strings within are merged.
    pub recurse_str: bool,
    /// Lists within are merged.
    pub recurse_list: bool,
    /// A later null takes the key out.
    pub allow_delete: bool,
}

/// Options of `list(…)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct List {
    /// What happens to the entries.
    pub method: Method,
    /// Strings of the same index are merged.
    pub recurse_str: bool,
    /// Lists of the same index are merged.
    pub recurse_list: bool,
    /// Mappings of the same index are merged.
    pub recurse_dict: bool,
}

/// What happens to the entries of two lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// The later ones come behind.
    Append,
    /// The later ones come before.
    Prepend,
    /// The later ones replace those of the same index, and no more: neither list gets longer or shorter.
    #[default]
    Replace,
    /// The earlier ones stay.
    NoReplace,
}

/// Options of `str(…)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Str {
    /// The later text comes behind the earlier one; else it replaces it.
    pub append: bool,
}

const DICT: &[&str] =
    &["replace", "no_replace", "recurse_str", "recurse_list", "recurse_array", "recurse_dict", "allow_delete"];
const LIST: &[&str] =
    &["append", "prepend", "replace", "no_replace", "recurse_str", "recurse_list", "recurse_array", "recurse_dict"];
const STR: &[&str] = &["append"];
/// What people who write `merge_how` mostly want.
pub(super) const JOINING: &str = "list(append)+dict(no_replace,recurse_list)+str()";

impl Strategy {
    /// Between the parts of one user-data where nothing is said: `dict(replace)+list()+str()`.
    pub fn of_parts() -> Self {
        Self {
            dict: Some(Dict { replace: true, ..Dict::default() }),
            list: Some(List::default()),
            str: Some(Str::default()),
        }
    }

    /// What a part asks for: `merge_how` else `merge_type` in it (both are taken out), then its header. That of
    /// [`Strategy::of_parts`] where neither says anything.
    pub fn of_part(part: &mut Node, header: Option<&Located<String>>, findings: &mut Findings) -> Self {
        let mut taken = [None, None];
        if let Data::Mapping(entries) = &mut part.data {
            for (place, name) in taken.iter_mut().zip(["merge_how", "merge_type"]) {
                let at = entries.iter().position(|(key, _)| key.text() == Some(name));
                *place = at.map(|at| entries.remove(at).1).filter(|value| !value.is_null());
            }
        }
        let mut strategy = Self::default();
        if let Some(how) = taken.into_iter().flatten().next() {
            strategy.described(&how, findings);
        }
        if let Some(header) = header {
            strategy.written(header, &header.origin, findings);
        }
        strategy.completed(header.map_or(&part.origin, |header| &header.origin), findings)
    }

    /// Reads `dict(…)+list(…)+str(…)`; what is wrong in it is a finding, and the rest counts.
    pub fn parse(text: &str, origin: &Origin, findings: &mut Findings) -> Self {
        let mut strategy = Self::default();
        strategy.written(text, origin, findings);
        strategy.completed(origin, findings)
    }

    /// With the default where nothing is said. A document is a mapping, so what mappings come to has to be known.
    fn completed(self, origin: &Origin, findings: &mut Findings) -> Self {
        if self == Self::default() {
            return Self::of_parts();
        }
        if self.dict.is_none() {
            let none =
                "the way to merge names no `dict(…)`; cloud-init would use nothing of this part. Its keys replace";
            findings.push(Finding::warning(origin, none).help(format!("merge_how: {JOINING}")));
        }
        Self { dict: self.dict.or(Self::of_parts().dict), ..self }
    }

    fn described(&mut self, how: &Node, findings: &mut Findings) {
        let entries = match &how.data {
            Data::Scalar(scalar) => return self.written(&scalar.text, &how.origin, findings),
            Data::Sequence(entries) => entries.as_slice(),
            Data::Mapping(_) => std::slice::from_ref(how),
        };
        for entry in entries {
            match &entry.data {
                Data::Scalar(scalar) => self.written(&scalar.text, &entry.origin, findings),
                Data::Sequence(words) => {
                    let words: Vec<&str> = words.iter().filter_map(Node::text).collect();
                    let (name, options) = words.split_first().unwrap_or((&"", &[]));
                    self.add(name, options.iter().copied(), &entry.origin, findings);
                }
                Data::Mapping(_) => {
                    let name = entry.get("name").and_then(Node::text).unwrap_or_default();
                    let settings = entry.get("settings").filter(|settings| !settings.is_null());
                    let options = settings.and_then(|settings| Words::read(settings, findings)).unwrap_or_default();
                    self.add(name, options.0.iter().map(String::as_str), &entry.origin, findings);
                }
            }
        }
    }

    fn written(&mut self, text: &str, origin: &Origin, findings: &mut Findings) {
        for merger in text.split('+').map(str::trim).filter(|merger| !merger.is_empty()) {
            match merger.strip_suffix(')').and_then(|merger| merger.split_once('(')) {
                Some((name, options)) => self.add(name, options.split(','), origin, findings),
                None => self.add(merger, std::iter::empty(), origin, findings),
            }
        }
    }

    fn add<'a>(
        &mut self,
        name: &str,
        options: impl Iterator<Item = &'a str>,
        origin: &Origin,
        findings: &mut Findings,
    ) {
        let plain = |word: &str| word.trim().to_ascii_lowercase().replace('-', "_");
        let name = plain(name);
        let options: Vec<String> = options.map(plain).filter(|option| !option.is_empty()).collect();
        let has = |option: &str| options.iter().any(|word| word == option);
        let recurse_list = has("recurse_list") || has("recurse_array");
        let known = match name.trim_start_matches("m_") {
            "dict" => {
                let dict = Dict {
                    replace: has("replace"),
                    recurse_str: has("recurse_str"),
                    recurse_list,
                    allow_delete: has("allow_delete"),
                };
                self.dict.get_or_insert(dict);
                DICT
            }
            "list" => {
                let methods = [
                    ("append", Method::Append),
                    ("prepend", Method::Prepend),
                    ("replace", Method::Replace),
                    ("no_replace", Method::NoReplace),
                ];
                let method = methods.into_iter().find(|(word, _)| has(word)).map(|(_, method)| method);
                let list = List {
                    method: method.unwrap_or_default(),
                    recurse_str: has("recurse_str"),
                    recurse_list,
                    recurse_dict: has("recurse_dict"),
                };
                self.list.get_or_insert(list);
                LIST
            }
            "str" => {
                self.str.get_or_insert(Str { append: has("append") });
                STR
            }
            _ => {
                let unknown = format!("`{name}` is no kind of values to merge; it is left out");
                return findings.push(Finding::error(origin, unknown).help(format!("as in {JOINING}")));
            }
        };
        for option in options.iter().filter(|option| !known.contains(&option.as_str())) {
            let unknown = format!("`{name}` has no option `{option}`; it is left out");
            let unknown = Finding::warning(origin, unknown).help(format!("one of: {}", known.join(", ")));
            findings.push(unknown.did_you_mean(option, known.iter().copied()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;

    /// What a document's `merge_how` comes to, the keys that are left of it, and what is said.
    fn of(document: &str, header: &str) -> (Strategy, usize, Vec<String>) {
        let mut findings = Findings::default();
        let origin = Origin::document("d");
        let mut part = parse(document, &origin, &mut findings).unwrap();
        let header = (!header.is_empty()).then(|| Located::new(header.to_owned(), Origin::document("h")));
        let strategy = Strategy::of_part(&mut part, header.as_ref(), &mut findings);
        (strategy, part.entries().len(), findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn both_syntaxes_say_the_same() {
        let wanted = Strategy {
            dict: Some(Dict { recurse_list: true, ..Dict::default() }),
            list: Some(List { method: Method::Append, ..List::default() }),
            str: Some(Str::default()),
        };
        for how in [
            "merge_how: list(append)+dict(no_replace,recurse_list)+str()",
            "merge_type: ' LIST(Append) + m_dict( no-replace, recurse_array )+str()'",
            "merge_how:\n- {name: list, settings: [append]}\n- {name: dict, settings: [no_replace, recurse_list]}\n- {name: str}",
            "merge_how: [[list, append], [dict, recurse_list], str]",
            "merge_how: list(append)+dict(recurse_list)+str()+list(prepend)+dict(replace)",
            "merge_how: ~\nmerge_type: list(append)+dict(recurse_list)+str()",
        ] {
            let (strategy, left, findings) = of(how, "");
            assert_eq!((strategy, left, findings), (wanted.clone(), 0, vec![]), "{how}");
        }
        assert_eq!(of("{}", "list(append)+dict(recurse_list)+str()").0, wanted);
        assert_eq!(of("merge_how: list(append)+str()", "dict(recurse_list)").0, wanted, "the header comes behind");
    }

    #[test]
    fn nothing_said_is_the_default_and_the_other_keys_stay() {
        assert_eq!(of("{a: 1, b: 2}", ""), (Strategy::of_parts(), 2, vec![]));
        assert_eq!(of("{a: 1, merge_how: '', merge_type: ''}", "").1, 1);
    }

    #[test]
    fn of_two_options_the_peer_s_first_one_counts() {
        let list = |text: &str| Strategy::parse(text, &Origin::document("d"), &mut Findings::default()).list.unwrap();
        assert_eq!(list("list(no_replace,replace)").method, Method::Replace);
        assert_eq!(list("list(prepend,append)").method, Method::Append);
    }

    #[test]
    fn what_is_no_strategy_is_said_and_the_rest_counts() {
        let (strategy, _, findings) = of("merge_how: dict(recurse_lists)+lists(append)+str", "");
        assert_eq!((strategy.dict, strategy.list), (Some(Dict::default()), None));
        assert_eq!(
            findings,
            [
                "d:1:12: warning: `dict` has no option `recurse_lists`; it is left out\n    help: did you mean `recurse_list`?",
                "d:1:12: error: `lists` is no kind of values to merge; it is left out\n    \
                 help: as in list(append)+dict(no_replace,recurse_list)+str()"
            ]
        );
        let (strategy, _, findings) = of("merge_how: list(append)", "");
        assert_eq!(strategy.dict, Strategy::of_parts().dict);
        assert!(findings[0].contains("names no `dict(…)`"), "{findings:?}");
    }
}
