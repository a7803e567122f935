// SPDX-License-Identifier: Apache-2.0
//! The public keys that a command line names: a file of them, those of the agent, or a key as text.

use std::path::Path;

use crate::error::{Error, Result};
use crate::host::seed::inputs::Inputs;
use crate::private_key;
use crate::public_key::PublicKey;

mod agent;

/// The lines of `authorized_keys` that `argument` stands for, in their order.
///
/// # Errors
/// Absent where there is no such file or agent; malformed where a line is no key, there is none, or a private key is near.
pub fn read(argument: &str, inputs: &mut Inputs) -> Result<Vec<String>> {
    if argument == "agent" {
        return agent::keys();
    }
    if PublicKey::parse(argument).is_some() {
        return Ok(vec![argument.trim().to_owned()]);
    }
    // Whoever hands one over here has it in the list of processes already; at least it is not repeated.
    if private_key::is_within(argument) {
        return Err(private("the text given"));
    }
    if argument.split_once(' ').is_some_and(|(kind, _)| kind.starts_with("ssh-") || kind.starts_with("ecdsa-")) {
        return Err(Error::malformed("the text given with --ssh-key is no public key: it may have been cut off"));
    }
    let bytes = inputs.read(Path::new(argument), "keys")?;
    lines(&String::from_utf8_lossy(&bytes), argument)
}

fn lines(text: &str, file: &str) -> Result<Vec<String>> {
    if private_key::is_within(text) {
        return Err(private(file));
    }
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if PublicKey::parse(line).is_none() {
            let wrong = format!("{file}:{}:1: this is not a public key", number + 1);
            return Err(
                Error::malformed(wrong).help("a line is `TYPE BASE64 COMMENT`, as ssh-keygen writes it to a .pub file")
            );
        }
        keys.push(line.to_owned());
    }
    match keys.is_empty() {
        true => Err(Error::malformed(format!("{file}: there is no public key in it"))),
        false => Ok(keys),
    }
}

fn private(place: &str) -> Error {
    let wrong = format!("{place}: this is a private key, which no guest may get");
    Error::malformed(wrong).help("give the public half: the file with `.pub` at its end, or `ssh-keygen -y -f FILE`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me";

    #[test]
    fn a_file_may_hold_several_and_each_line_is_looked_at() {
        let two = format!("# mine\n{KEY}\n\n  no-pty {KEY}\r\n");
        assert_eq!(lines(&two, "keys").unwrap(), [KEY.to_owned(), format!("no-pty {KEY}")]);
        let error = |text: &str| lines(text, "keys").unwrap_err().to_string();
        assert!(error(&format!("{KEY}\nssh-ed25519 AAAA")).starts_with("keys:2:1: this is not a public key\n"));
        assert_eq!(error("# none\n"), "keys: there is no public key in it");
    }

    #[test]
    fn a_private_key_is_refused_and_never_shown() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n";
        for error in [lines(key, "id"), read(key, &mut Inputs::default())].map(|it| it.unwrap_err().to_string()) {
            assert!(error.contains("this is a private key") && !error.contains("c2VjcmV0"), "{error}");
        }
    }

    #[test]
    fn text_that_is_no_key_is_not_looked_for_as_a_file() {
        assert_eq!(read(KEY, &mut Inputs::default()).unwrap(), [KEY]);
        let error = read("ssh-ed25519 AAAAC3NzaC1l", &mut Inputs::default()).unwrap_err().to_string();
        assert!(error.contains("no public key"), "{error}");
    }
}
