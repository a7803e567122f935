// SPDX-License-Identifier: Apache-2.0
//! Files of `KEY=value` lines, as a shell or systemd reads them: what is said of other keys stays.

/// `old` with `KEY=value`: in place of the first line that sets it, else at the end; further lines that set it go.
pub fn assign(old: &str, key: &str, value: &str) -> String {
    let line = format!("{key}={value}\n");
    let mut new = String::with_capacity(old.len() + line.len());
    let mut written = false;
    for old in old.lines() {
        if old.trim_start().strip_prefix(key).is_none_or(|rest| !rest.starts_with('=')) {
            new.push_str(old);
            new.push('\n');
        } else if !std::mem::replace(&mut written, true) {
            new.push_str(&line);
        }
    }
    if !written {
        new.push_str(&line);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::assign;

    #[test]
    fn one_line_sets_the_key_and_the_others_stay() {
        assert_eq!(assign("", "LANG", "C"), "LANG=C\n");
        assert_eq!(assign("# LANG=x\nLANGUAGE=de\n LANG=a\nLANG=b", "LANG", "C"), "# LANG=x\nLANGUAGE=de\nLANG=C\n");
    }
}
