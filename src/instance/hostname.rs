// SPDX-License-Identifier: Apache-2.0
//! What may be a host name.

use std::net::Ipv4Addr;

use crate::finding::{Finding, Located};

/// The longest name and the longest label by RFC 1035.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The host name that `asked` gives, or what is wrong with it.
///
/// Letters, digits, hyphens and dots as RFC 1123 has it, and underscores, which some clouds hand out. An IPv4 address
/// becomes `ip-10-0-0-1`, as with cloud-init.
pub fn check(asked: &Located<String>) -> Result<Located<String>, Finding> {
    let name = asked.value.trim_end_matches('.');
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        let name = format!("ip-{}", address.to_string().replace('.', "-"));
        return Ok(Located::new(name, asked.origin.clone()));
    }
    match wrong(name) {
        None => Ok(Located::new(name.to_owned(), asked.origin.clone())),
        Some(wrong) => Err(Finding::error(&asked.origin, format!("{:?} can't be a host name: {wrong}", asked.value))
            .help("letters, digits and hyphens, in labels of at most 63 with dots between them")),
    }
}

fn wrong(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.len() > MAX_NAME {
        return Some(format!("it is longer than {MAX_NAME}"));
    }
    if let Some(c) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
        return Some(format!("it has {c:?} in it"));
    }
    let label = name
        .split('.')
        .find(|label| label.is_empty() || label.len() > MAX_LABEL || label.starts_with('-') || label.ends_with('-'))?;
    Some(match label {
        "" => "two dots with nothing between them".to_owned(),
        label if label.len() > MAX_LABEL => format!("a label is longer than {MAX_LABEL}"),
        label => format!("the label `{label}` begins or ends with a hyphen"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;

    fn check(name: &str) -> Result<String, String> {
        let asked = Located::new(name.to_owned(), Origin::document("meta_data.json").key("hostname"));
        super::check(&asked).map(|name| name.value).map_err(|finding| finding.message)
    }

    #[test]
    fn names_that_clouds_give() {
        assert_eq!(check("public-3.novalocal").as_deref(), Ok("public-3.novalocal"));
        assert_eq!(check("db_1.example.org.").as_deref(), Ok("db_1.example.org"));
        assert_eq!(check("10.0.0.1").as_deref(), Ok("ip-10-0-0-1"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(check("a\nb").unwrap_err(), r#""a\nb" can't be a host name: it has '\n' in it"#);
        assert_eq!(check("").unwrap_err(), r#""" can't be a host name: it is empty"#);
        for name in ["My server", "-a", "a-.b", "a..b", "é", &"a".repeat(64), &"a.".repeat(200), "$(reboot)"] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
