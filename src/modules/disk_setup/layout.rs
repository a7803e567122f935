// SPDX-License-Identifier: Apache-2.0
//! Layouts of partition tables: how they are written, and what `sfdisk` and `sgdisk` are told of them.

use crate::config::document::{Data, Node};
use crate::config::read::Read as _;
use crate::finding::{Finding, Findings};

/// What a disk is to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// A GPT, or else a table of the old kind.
    pub gpt: bool,
    /// None: the table is to go.
    pub partitions: Vec<Partition>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// Of the whole disk.
    percent: f64,
    /// Its type as `sfdisk` takes it.
    kind: String,
    /// Its type as `sgdisk` takes it.
    code: String,
}

const LINUX: (&str, &str) = ("8300", "0FC63DAF-8483-4772-8E79-3D69D8477DE4");

/// Types of a GPT as `sgdisk` numbers them, which is what people write, and their GUIDs.
const TYPES: &[(&str, &str)] = &[
    LINUX,
    ("8200", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"),
    ("8302", "933AC7E1-2EB4-4F13-B844-0E14E2AEF915"),
    ("8304", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"),
    ("8e00", "E6D6D379-F507-44C2-A23C-238F2A3DF928"),
    ("fd00", "A19D880F-05FC-4D3B-A006-743F0F84911E"),
    ("ef00", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
    ("ef02", "21686148-6449-6E6F-744E-656564454649"),
    ("0700", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"),
];

impl Layout {
    /// Reads the value of `layout`; `None` for `false`, which asks for nothing, and with a finding for what is unfit.
    pub fn read(node: &Node, gpt: bool, findings: &mut Findings) -> Option<Self> {
        let whole = || Partition::new(100.0, None, gpt).into_iter().collect();
        let read = match (&node.data, bool::read(node, &mut Findings::default())) {
            (Data::Sequence(entries), _) if !entries.is_empty() => {
                entries.iter().map(|entry| Partition::read(entry, gpt)).collect()
            }
            (_, Some(true)) => Ok(whole()),
            (_, Some(false)) => return None,
            _ if node.text().is_some_and(|text| text.eq_ignore_ascii_case("remove")) => Ok(Vec::new()),
            _ => Err(Finding::error(&node.origin, "expected `true`, `false`, `remove` or a list of percentages")),
        };
        let sound = read.and_then(|partitions: Vec<Partition>| {
            let sum: f64 = partitions.iter().map(|partition| partition.percent).sum();
            if !gpt && partitions.len() > 4 {
                Err(Finding::error(&node.origin, "a table of type `mbr` has at most 4 partitions")
                    .help("`table_type: gpt` has room for more"))
            } else if sum > 100.5 {
                Err(Finding::error(&node.origin, format!("these percentages add up to {sum}")))
            } else {
                Ok(Self { gpt, partitions })
            }
        });
        sound.map_err(|finding| findings.push(finding)).ok()
    }

    /// The table's name.
    pub fn table(&self) -> &'static str {
        if self.gpt { "gpt" } else { "dos" }
    }

    /// Each partition with its MiB on a disk of `size` bytes; the last one takes what is left.
    fn sizes(&self, size: u64) -> impl Iterator<Item = (&Partition, Option<u64>)> {
        let last = self.partitions.len().saturating_sub(1);
        self.partitions.iter().enumerate().map(move |(index, partition)| {
            // Percentages are 0 to 100, and no disk has 2^53 MiB.
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let part = ((size >> 20) as f64 * partition.percent / 100.0) as u64;
            (partition, (index != last).then_some(part))
        })
    }

    /// The script that `sfdisk` reads.
    pub fn script(&self, size: u64) -> String {
        let lines = self.sizes(size).map(|(partition, size)| {
            let size = size.map_or_else(String::new, |size| format!("size={size}MiB, "));
            format!("{size}type={}\n", partition.kind)
        });
        format!("label: {}\n", self.table()) + &lines.collect::<String>()
    }

    /// What `sgdisk` is called with for the same.
    pub fn sgdisk(&self, size: u64) -> Vec<String> {
        let mut arguments = vec!["--clear".to_owned()];
        for ((partition, size), number) in self.sizes(size).zip(1..) {
            let end = size.map_or_else(|| "0".to_owned(), |size| format!("+{size}M"));
            arguments.push(format!("--new={number}:0:{end}"));
            arguments.push(format!("--typecode={number}:{}", partition.code));
        }
        arguments
    }
}

impl Partition {
    /// `50`, or `[50, 82]`.
    fn read(node: &Node, gpt: bool) -> Result<Self, Finding> {
        let (percent, kind) = match node.items() {
            Some([percent, kind]) => (percent, kind.text()),
            Some(_) => return Err(Finding::error(&node.origin, "expected `percentage` or `[percentage, type]`")),
            None => (node, None),
        };
        let number = percent.text().and_then(|text| text.trim().trim_end_matches('%').parse::<f64>().ok());
        match number.filter(|number| *number > 0.0 && *number <= 100.0) {
            None => Err(Finding::error(&percent.origin, "expected a percentage, more than 0 and at most 100")),
            Some(number) => Self::new(number, kind, gpt).ok_or_else(|| {
                let unknown = format!("the type of partition `{}` is not known here", kind.unwrap_or_default());
                let help = if gpt { "82, 83, 8e00, ef00 and such, or a GUID" } else { "two digits: 82, 83, 8e" };
                Finding::error(&node.origin, unknown).help(help)
            }),
        }
    }

    fn new(percent: f64, kind: Option<&str>, gpt: bool) -> Option<Self> {
        let kind = kind.map(str::to_ascii_lowercase);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (kind, code) = match (kind, gpt) {
            (None, false) => ("83".to_owned(), String::new()),
            (Some(kind), false) => (digits(&kind) && kind.len() < 3).then_some((kind, String::new()))?,
            (None, true) => (LINUX.1.to_owned(), LINUX.0.to_owned()),
            (Some(kind), true) if kind.len() == 36 && digits(&kind.replace('-', "")) => (kind.clone(), kind),
            (Some(kind), true) => {
                // `83` stands for `8300`, as for the peers.
                let code = if kind == "linux" { LINUX.0.to_owned() } else { format!("{kind:0<4}") };
                TYPES.iter().find(|(known, _)| *known == code).map(|(_, guid)| ((*guid).to_owned(), code))?
            }
        };
        Some(Self { percent, kind, code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::parse;
    use crate::finding::Origin;

    fn read(text: &str, gpt: bool) -> (Option<Layout>, String) {
        let mut findings = Findings::default();
        let node = parse(text, &Origin::document("d"), &mut findings).unwrap();
        let layout = Layout::read(&node, gpt, &mut findings);
        (layout, findings.iter().map(ToString::to_string).collect())
    }

    fn script(text: &str, gpt: bool) -> String {
        let (layout, findings) = read(text, gpt);
        assert_eq!(findings, "");
        layout.unwrap().script(10 << 30)
    }

    #[test]
    fn the_last_partition_takes_what_is_left() {
        assert_eq!(script("true", false), "label: dos\ntype=83\n");
        assert_eq!(
            script("[25, [50, 82], 25]", false),
            "label: dos\nsize=2560MiB, type=83\nsize=5120MiB, type=82\ntype=83\n"
        );
        assert_eq!(script("['33.3%', [10, 8e]]", false), "label: dos\nsize=3409MiB, type=83\ntype=8e\n");
        assert_eq!(
            script("[[1, ef02], [50, 82], 49]", true),
            "label: gpt\nsize=102MiB, type=21686148-6449-6E6F-744E-656564454649\n\
             size=5120MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F\ntype=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n"
        );
        assert_eq!(
            read("[[1, ef02], 99]", true).0.unwrap().sgdisk(10 << 30),
            ["--clear", "--new=1:0:+102M", "--typecode=1:ef02", "--new=2:0:0", "--typecode=2:8300"]
        );
    }

    #[test]
    fn what_asks_for_nothing_and_what_is_unfit() {
        assert_eq!(read("false", true), (None, String::new()));
        assert_eq!(read("remove", true).0.unwrap().partitions, []);
        for (text, gpt, why) in [
            ("[]", true, "expected `true`, `false`, `remove`"),
            ("auto", true, "expected `true`, `false`, `remove`"),
            ("[20, 20, 20, 20, 20]", false, "at most 4"),
            ("[60, 60]", true, "add up to 120"),
            ("[0]", true, "more than 0"),
            ("[[50]]", true, "`[percentage, type]`"),
            ("[.nan]", true, "more than 0"),
            ("[[50, zz]]", false, "`zz` is not known"),
            ("[[50, 9999]]", true, "`9999` is not known"),
            ("[[50, 'é']]", true, "is not known"),
        ] {
            let (layout, finding) = read(text, gpt);
            assert!(layout.is_none() && finding.contains(why), "{text}: {finding}");
        }
    }
}
