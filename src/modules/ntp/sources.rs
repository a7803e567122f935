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
    // Without its end a block is none: what follows would be lost.
    let ends = old.lines().any(|line| line == end);
    for line in old.lines() {
        let is_source = line.split_whitespace().next().is_some_and(|word| keywords.contains(&word));
        if ends && line == begin || inside {
            place.get_or_insert(new.len());
            inside = line != end;
            continue;
        }
        if is_source {
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
    use super::with_sources;

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
