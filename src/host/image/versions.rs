// SPDX-License-Identifier: Apache-2.0
//! Which of two kernels is newer, by their names.

use std::cmp::Ordering;

/// By numbers where there are digits, else by letters: `6.9.1` < `6.10.0-rc1` < `6.10.0`.
pub fn compare(left: &str, right: &str) -> Ordering {
    parts(left).cmp(parts(right))
}

/// A part of a name. The end comes after `-rc`, and before all else.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Candidate,
    End,
    Text(&'a str),
    /// How many digits and which: a number of any length.
    Number(usize, &'a str),
}

fn parts(name: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(name);
    std::iter::from_fn(move || {
        let name = rest?;
        let Some(first) = name.chars().next() else {
            rest = None;
            return Some(Part::End);
        };
        let is_number = first.is_ascii_digit();
        let end = name.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(name.len());
        let (part, after) = name.split_at(end);
        rest = Some(after);
        let digits = part.trim_start_matches('0');
        Some(match (is_number, part) {
            (true, _) => Part::Number(digits.len(), digits),
            (false, "-rc" | "~rc") => Part::Candidate,
            (false, _) => Part::Text(part),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_ordered_as_they_came_out() {
        let names = [
            "5.10.0-30-amd64",
            "6.1.0-9-cloud-amd64",
            "6.1.0-28-cloud-amd64",
            "6.9.7-200.fc40.x86_64",
            "6.10.0-rc1",
            "6.10.0",
            "6.10.0-1",
        ];
        assert!(names.is_sorted_by(|left, right| compare(left, right) == Ordering::Less));
        assert_eq!(compare("6.1", "6.01"), Ordering::Equal);
    }
}
