// SPDX-License-Identifier: Apache-2.0
//! Names that an account may have.

use crate::error::{Error, Result};

/// The bytes that utmp has for a name.
const LENGTH: usize = 32;

/// Refuses a name that the guest's tools would trip over; `what` is `user` or `group`.
///
/// What both Debian's and Fedora's useradd take: letters (also capital), digits, `_`, `.` and `-`, and a `$` at the end
/// (machines of Samba); not beginning with `-`, not all digits, which would read as a number elsewhere.
pub fn check(what: &str, name: &str) -> Result<()> {
    let plain = name.strip_suffix('$').unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let why = if plain.is_empty() {
        "is empty"
    } else if name.len() > LENGTH {
        "is longer than 32 characters"
    } else if plain.starts_with('-') {
        "begins with a hyphen"
    } else if !plain.chars().all(allowed) {
        "has other characters than letters, digits, `_`, `.` and `-`"
    } else if plain.chars().all(|c| c.is_ascii_digit()) {
        "is a number"
    } else if plain.chars().all(|c| c == '.') {
        "is a directory's"
    } else {
        return Ok(());
    };
    // After a colon stands a password, where `name:password` was written at the wrong place.
    let shown: String = name.chars().take_while(|c| *c != ':').take(LENGTH).collect();
    let cut = if name.contains(':') { " (shown as far as its `:`)" } else { "" };
    Err(Error::malformed(format!("the {what} name {shown:?}{cut} {why}"))
        .help("begin with a small letter; go on with small letters, digits, `_` and `-`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_guest_s_tools_take() {
        for name in ["debian", "_apt", "a.b", "Build", "0a", "web-1", "host$"] {
            assert!(check("user", name).is_ok(), "{name}");
        }
        for name in ["", "$", "-x", "..", "1000", "a:b", "a b", "a/b", "a\nb", "é", "a$b", &"x".repeat(33)] {
            assert!(check("user", name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_password_after_the_name_is_not_told() {
        let error = check("user", "ops:hunter2").unwrap_err().to_string();
        assert!(error.contains("\"ops\"") && !error.contains("hunter2"), "{error}");
    }
}
