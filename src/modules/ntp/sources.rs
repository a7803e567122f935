// SPDX-License-Identifier: Apache-2.0
//! What a client is to ask, in the words of each client's file; and such a file with other sources in it.

use std::fmt::Write as _;

/// Before a whole file.
pub const HEADER: &str = "# Written by firstlight (ntp).\n";
/// Around our lines in somebody else's file.
const BLOCK: [&str; 2] = ["# firstlight: ntp", "# firstlight: end"];

/// What a client is to ask, and who may ask it; each a word.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Sources {
    pub servers: Vec<String>,
    pub pools: Vec<String>,
    pub peers: Vec<String>,
    pub allow: Vec<String>,
}

impl Sources {
    /// Whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.pools.is_empty() && self.peers.is_empty()
    }

    /// Lines of ntp.conf(5).
    pub fn ntpd(&self) -> String {
        lines(&[("server ", &self.servers, " iburst"), ("pool ", &self.pools, " iburst"), ("peer ", &self.peers, "")])
    }

    /// Lines of chrony.conf(5).
    pub fn chrony(&self) -> String {
        self.ntpd() + &lines(&[("allow ", &self.allow, "")])
    }

    /// Lines of OpenBSD's ntpd.conf(5).
    pub fn openntpd(&self) -> String {
        lines(&[("server ", &self.servers, ""), ("servers ", &self.pools, "")])
    }
}

fn lines(groups: &[(&str, &[String], &str)]) -> String {
    let mut text = String::new();
    for (before, words, after) in groups {
        for word in *words {
            let _ = writeln!(text, "{before}{word}{after}");
        }
    }
    text
}

/// `old` with `lines` in place of what its own lines of these `keywords` say: those become comments. Without any `lines`
/// it is only that. Lines that were put in before are replaced.
pub fn with_sources(old: &str, lines: &str, keywords: &[&str]) -> String {
    let [begin, end] = BLOCK;
    let block = if lines.is_empty() { String::new() } else { format!("{begin}\n{lines}{end}\n") };
    let (mut new, mut place, mut inside) = (String::new(), None, false);
    let mut rest = old.lines();
    while let Some(line) = rest.next() {
        // Of a block without its end only the mark is ours.
        inside = inside || line == begin && rest.clone().find(|line| BLOCK.contains(line)) == Some(end);
        if inside || BLOCK.contains(&line) {
            place.get_or_insert(new.len());
            inside = inside && line != end;
            continue;
        }
        if line.split_whitespace().next().is_some_and(|word| keywords.contains(&word)) {
            place.get_or_insert(new.len());
            new.push('#');
        }
        new.extend([line, "\n"]);
    }
    let at = place.unwrap_or(new.len());
    new.insert_str(at, &block);
    new
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, with_sources};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn done_twice_is_done_once_and_nothing_after_a_block_without_its_end_is_lost(
            lines in proptest::collection::vec(
                prop::sample::select(vec![BLOCK[0], BLOCK[1], "server a", "keep", " pool b", "", "#server c"]), 0..12,
            ),
        ) {
            let old: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let once = with_sources(&old, "server z\n", &["server", "pool"]);
            prop_assert_eq!(with_sources(&once, "server z\n", &["server", "pool"]), once.clone());
            let kept = |text: &str| text.lines().filter(|line| *line == "keep").count();
            let last = old.rfind(BLOCK[1]).unwrap_or(0);
            prop_assert!(kept(&once) >= kept(&old[last..]));
        }
    }

    #[test]
    fn our_lines_replace_theirs_and_those_of_before() {
        let keywords = ["server", "pool"];
        let old = "driftfile x\n  server a iburst\npool b\nserverpool c\n";
        let once = with_sources(old, "server z\n", &keywords);
        assert_eq!(
            once,
            "driftfile x\n# firstlight: ntp\nserver z\n# firstlight: end\n#  server a iburst\n#pool b\nserverpool c\n"
        );
        assert_eq!(with_sources(&once, "server z\n", &keywords), once);
        assert_eq!(with_sources(&once, "server y\n", &keywords), once.replace("server z", "server y"));
        assert_eq!(with_sources("makestep 1 3\n", "", &keywords), "makestep 1 3\n");
        assert_eq!(with_sources("", "server z\n", &keywords), "# firstlight: ntp\nserver z\n# firstlight: end\n");
    }
}
