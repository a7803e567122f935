// SPDX-License-Identifier: Apache-2.0
//! Patterns of names, as fnmatch(3) has them: `*`, `?`, `[a-c]`, `[!a-c]`.

/// Whether it means more than itself.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether all of `name` fits `pattern`. Takes no longer than the product of their lengths.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut rest, mut text) = (&pattern[..], &name[..]);
    // Where to go on when what follows the last `*` does not fit: the star then stands for one character more.
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        if let Some((after, more)) = first_fits(rest, text) {
            (rest, text) = (after, more);
        } else if let ['*', after @ ..] = rest {
            star = Some((after, text));
            rest = after;
        } else if rest.is_empty() && text.is_empty() {
            return true;
        } else {
            let Some((after, [_, more @ ..])) = star else { return false };
            star = Some((after, more));
            (rest, text) = (after, more);
        }
    }
}

/// What is left of both when the pattern's first piece takes one character; `None` where it does not, or is a `*`.
fn first_fits<'a>(pattern: &'a [char], text: &'a [char]) -> Option<(&'a [char], &'a [char])> {
    let (c, more) = text.split_first()?;
    match pattern {
        ['*', ..] | [] => None,
        ['?', after @ ..] => Some((after, more)),
        ['[', set @ ..] if set.iter().skip(1).any(|c| *c == ']') => {
            let end = 1 + set.iter().skip(1).position(|c| *c == ']')?;
            let (set, after) = (set.get(..end)?, set.get(end + 1..)?);
            let (negated, set) = match set {
                ['!' | '^', set @ ..] => (true, set),
                _ => (false, set),
            };
            (in_set(set, *c) != negated).then_some((after, more))
        }
        [first, after @ ..] => (first == c).then_some((after, more)),
    }
}

fn in_set(mut set: &[char], c: char) -> bool {
    loop {
        let (fits, rest) = match set {
            [from, '-', to, rest @ ..] => ((*from..=*to).contains(&c), rest),
            [one, rest @ ..] => (*one == c, rest),
            [] => return false,
        };
        if fits {
            return true;
        }
        set = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns_as_the_managers_have_it() {
        for (pattern, yes, no) in [
            ("ens3", "ens3", "ens33"),
            ("en*", "enp1s0", "eth0"),
            ("en*s0", "enp1s0s0", "enp1s1"),
            ("eth?", "eth0", "eth10"),
            ("eth[0-2]", "eth1", "eth3"),
            ("eth[!0]", "eth1", "eth0"),
            ("a[", "a[", "a"),
            ("*x", "xx", "xy"),
            ("a*b*c", "aXbXbc", "aXc"),
            ("[]x]", "]", "["),
        ] {
            assert!(fits(pattern, yes), "{pattern} {yes}");
            assert!(!fits(pattern, no), "{pattern} {no}");
        }
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199)), "one letter is missing, and no time is lost over it");
    }
}
