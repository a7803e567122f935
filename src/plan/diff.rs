// SPDX-License-Identifier: Apache-2.0
//! A unified diff of two texts.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant};

use similar::DiffOp;
use similar::algorithms::{Capture, Replace, myers};

/// Lines of context around a change.
const CONTEXT: usize = 2;
/// How long the shortest diff is looked for; past it a longer one is shown, which is as true.
const PATIENCE: Duration = Duration::from_secs(2);

/// The hunks; empty where the texts are the same.
///
/// Myers' algorithm is called directly: the crate's general entry brings all its other algorithms along, 0.6 MB of
/// them; and its raw form, as what the other looks at first takes as much again.
pub fn unified(old: &str, new: &str) -> String {
    with_context(CONTEXT, old, new)
}

fn with_context(context: usize, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut capture = Replace::new(Capture::new());
    // Capturing cannot fail.
    let end = Some(Instant::now() + PATIENCE);
    let _ = myers::diff_deadline_raw(&mut capture, &*old, 0..old.len(), &*new, 0..new.len(), end);
    let mut text = String::new();
    for hunk in capture.into_inner().into_grouped_ops(context) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let from = range(first.old_range().start..last.old_range().end);
        let to = range(first.new_range().start..last.new_range().end);
        let _ = writeln!(text, "@@ -{from} +{to} @@");
        for op in hunk {
            if let DiffOp::Equal { .. } = op {
                lines(&mut text, ' ', &old, op.old_range());
            } else {
                lines(&mut text, '-', &old, op.old_range());
                lines(&mut text, '+', &new, op.new_range());
            }
        }
    }
    text
}

/// As diff(1) counts: from one, the length left out where it is one, the line before where there is none.
fn range(range: Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        length => format!("{},{length}", range.start + 1),
    }
}

fn lines(text: &mut String, sign: char, all: &[&str], range: Range<usize>) {
    for line in all.get(range).unwrap_or_default() {
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_reads_like_diff_u() {
        let diff = unified("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nD\ne\nf\ng");
        assert_eq!(diff, "@@ -2,5 +2,6 @@\n b\n c\n-d\n+D\n e\n f\n+g\n\\ No newline at end of file\n");
        assert_eq!(unified("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a\n", "a\n"), "");
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_from_it(old in "([ab]\n){1,12}", new in "([abc]\n){1,12}") {
            prop_assume!(old != new);
            let diff = with_context(100, &old, &new);
            let side = |sign: char| -> String {
                let lines = diff.split_inclusive('\n').skip(1);
                lines.filter_map(|line| line.strip_prefix([' ', sign])).collect()
            };
            prop_assert_eq!(side('-'), old);
            prop_assert_eq!(side('+'), new);
        }
    }
}
