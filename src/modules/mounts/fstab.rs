// SPDX-License-Identifier: Apache-2.0
//! Lines of /etc/fstab, and which of them are ours.

use std::path::PathBuf;

use crate::guest::disks::unescaped;
use crate::plan::action::Edit;

/// Where.
pub const FSTAB: &str = "/etc/fstab";
/// In the options of each line that an agent wrote: other tools look for it.
const MARK: &str = "comment=cloudconfig";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub spec: String,
    /// Where; `none` for swap.
    pub target: String,
    /// Type of the file system.
    pub kind: String,
    /// Options between commas.
    pub options: String,
    /// For dump(8).
    pub dump: String,
    /// For fsck(8).
    pub pass: String,
}

impl Line {
    /// Whether it has this option.
    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|it| it == option)
    }

    /// Whether it is swap.
    pub fn is_swap(&self) -> bool {
        self.kind == "swap"
    }

    /// A change of fstab that has this line at its end, marked, in place of a marked one for the same.
    pub fn added(&self) -> Edit {
        let fields =
            [&self.spec, &self.target, &self.kind, &format!("{},{MARK}", self.options), &self.dump, &self.pass];
        let line = fields.map(|field| escaped(field)).join("\t");
        let (spec, target) = (escaped(&self.spec), escaped(&self.target));
        Edit::new(FSTAB, move |old| {
            if old.lines().any(|other| other == line) {
                return old.to_owned();
            }
            let replaced = |other: &str| {
                let mut fields = parted(other);
                is_marked(other) && fields.next() == Some(spec.as_str()) && fields.next() == Some(target.as_str())
            };
            kept(old, |other| !replaced(other)) + &line + "\n"
        })
    }
}

/// A change of fstab that takes away what was written for another instance.
pub fn cleared() -> Edit {
    Edit::new(FSTAB, |old| if has_marks(old) { kept(old, |line| !is_marked(line)) } else { old.to_owned() })
        .only_existing()
}

/// Whether any line is an agent's.
pub fn has_marks(fstab: &str) -> bool {
    fstab.lines().any(is_marked)
}

/// What and where of the image's own lines.
pub fn own(fstab: &str) -> Vec<(String, PathBuf)> {
    let lines = fstab.lines().filter(|line| !is_marked(line) && !line.trim_start().starts_with('#'));
    let pair = |line: &str| {
        let mut fields = parted(line);
        Some((unescaped(fields.next()?).to_string_lossy().into_owned(), unescaped(fields.next()?)))
    };
    lines.filter_map(pair).collect()
}

fn is_marked(line: &str) -> bool {
    parted(line).nth(3).is_some_and(|options| options.split(',').any(|option| option == MARK))
}

/// As getmntent(3) parts them.
fn parted(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t']).filter(|field| !field.is_empty())
}

fn kept(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| keep(line)).map(|line| format!("{line}\n")).collect()
}

/// White space would end a field, and with it all that follows.
fn escaped(field: &str) -> String {
    field.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(spec: &str, target: &str) -> Line {
        let text = str::to_owned;
        Line {
            spec: text(spec),
            target: text(target),
            kind: text("ext4"),
            options: text("defaults,nofail"),
            dump: text("0"),
            pass: text("2"),
        }
    }

    fn after(old: &str, edit: &Edit) -> String {
        (edit.change)(old).unwrap()
    }

    #[test]
    fn a_line_is_added_once_and_replaces_only_our_own() {
        let old = "# static\n/dev/vda1 / ext4 defaults 0 1";
        let new = after(old, &line("/dev/vdb", "/my data").added());
        let added = "/dev/vdb\t/my\\040data\text4\tdefaults,nofail,comment=cloudconfig\t0\t2\n";
        assert_eq!(new, format!("{old}\n{added}"));
        assert_eq!(after(&new, &line("/dev/vdb", "/my data").added()), new);
        let other = Line { options: "ro".to_owned(), ..line("/dev/vdb", "/my data") };
        assert_eq!(after(&new, &other.added()), new.replace("defaults,nofail,", "ro,"));
        assert_eq!(after(&new, &line("/dev/vda1", "/").added()).lines().count(), 4, "the image's line stays");
    }

    #[test]
    fn what_another_instance_had_goes_and_the_rest_stays_as_it_is() {
        let own = "#comment=cloudconfig\n/dev/vda1  /  ext4  defaults  0 1\n\n";
        let all = format!("{own}/dev/vdc\t/data\tauto\tdefaults,comment=cloudconfig\t0\t2\n");
        assert!(has_marks(&all) && !has_marks(own));
        assert_eq!(after(&all, &cleared()), own);
        assert_eq!(after("/dev/vda1 / ext4", &cleared()), "/dev/vda1 / ext4", "no newline is added for nothing");
        assert_eq!(super::own(&all), [("/dev/vda1".to_owned(), PathBuf::from("/"))]);
    }

    proptest::proptest! {
        #[test]
        fn no_field_breaks_the_file(spec in ".{1,20}", target in ".{1,20}") {
            let text = after("", &line(&spec, &target).added());
            let fields: Vec<&str> = text.lines().next().unwrap_or_default().split('\t').collect();
            proptest::prop_assert!(fields.len() == 6 && unescaped(fields[0]).to_string_lossy() == spec.as_str(), "{text:?}");
        }
    }
}
