// SPDX-License-Identifier: Apache-2.0
//! Patterns of names, as fnmatch(3) has them: `*`, `?`, `[a-c]`, `[!a-c]`.

/// Whether all of `text` fits `pattern`. Takes no longer than the product of their lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Behind the last `*`, and where the text that it stands for may end.
    let mut star: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            star = Some((rest, text));
            pattern = rest;
            continue;
        }
        match (text.chars().next(), one(pattern)) {
            (None, _) if pattern.is_empty() => return true,
            (None, _) => return false,
            (Some(first), Some((fits, rest))) if fits(first) => {
                (pattern, text) = (rest, text.strip_prefix(first).unwrap_or_default());
            }
            _ => {
                let Some((behind, held)) = star else { return false };
                let mut longer = held.chars();
                longer.next();
                star = Some((behind, longer.as_str()));
                (pattern, text) = (behind, longer.as_str());
            }
        }
    }
}

/// What the first element of a pattern takes, and the rest; a `[` that is not closed is itself.
#[allow(clippy::type_complexity)] // named here alone
fn one(pattern: &str) -> Option<(Box<dyn Fn(char) -> bool + '_>, &str)> {
    let first = pattern.chars().next()?;
    let rest = pattern.strip_prefix(first)?;
    if first == '?' {
        return Some((Box::new(|_| true), rest));
    }
    // A `]` at the beginning is one of the set.
    let end = rest.char_indices().skip(1).find(|(_, c)| *c == ']').map(|(at, _)| at);
    match end.filter(|_| first == '[').and_then(|end| rest.split_at_checked(end)) {
        Some((set, rest)) => {
            let (set, wanted) = set.strip_prefix(['!', '^']).map_or((set, true), |set| (set, false));
            Some((Box::new(move |c| is_in(set, c) == wanted), rest.strip_prefix(']').unwrap_or(rest)))
        }
        None => Some((Box::new(move |c| c == first), rest)),
    }
}

/// Whether `c` is one of the characters and ranges.
fn is_in(set: &str, c: char) -> bool {
    let chars: Vec<char> = set.chars().collect();
    chars.contains(&c) || chars.windows(3).any(|range| matches!(range, [from, '-', to] if (*from..=*to).contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns_as_the_managers_have_it() {
        for (pattern, fits, does_not) in [
            ("ens3", "ens3", "ens33"),
            ("en*", "enp1s0", "eth0"),
            ("en*s0", "enp1s0s0", "enp1s1"),
            ("eth?", "eth0", "eth10"),
            ("eth[0-2]", "eth1", "eth3"),
            ("eth[!0]", "eth1", "eth0"),
            ("a[", "a[", "a"),
            ("*x", "xx", "xy"),
        ] {
            assert!(matches(pattern, fits), "{pattern} {fits}");
            assert!(!matches(pattern, does_not), "{pattern} {does_not}");
        }
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)), "one letter is missing, and no time is lost over it");
    }
}
