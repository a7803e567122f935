// SPDX-License-Identifier: Apache-2.0
//! The keys of the agent at `SSH_AUTH_SOCK`: the one question of its protocol (draft-ietf-sshm-ssh-agent) that asks for them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{At as _, Error, Result};
use crate::public_key::take_string;

/// `SSH_AGENTC_REQUEST_IDENTITIES` and `SSH_AGENT_IDENTITIES_ANSWER`.
const REQUEST: u8 = 11;
const ANSWER: u8 = 12;
/// The longest answer, as OpenSSH's own programs have it.
const LIMIT: u32 = 256 << 10;
/// An agent may ask its owner first.
const PATIENCE: Duration = Duration::from_secs(30);

/// All public keys that the agent holds.
///
/// # Errors
/// Absent where there is no agent or no key in it; malformed where the answer is none.
pub fn keys() -> Result<Vec<String>> {
    let Some(socket) = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Err(
            Error::absent("no ssh agent: SSH_AUTH_SOCK is not set").help("start one (ssh-agent), or name a file")
        );
    };
    let stream = UnixStream::connect(&socket).at("reach the ssh agent at", &socket)?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .at("use", &socket)?;
    match ask(stream)? {
        keys if keys.is_empty() => Err(Error::absent("the ssh agent holds no key").help("give it one with ssh-add")),
        keys => Ok(keys),
    }
}

fn ask(mut agent: impl Read + Write) -> Result<Vec<String>> {
    let silent = |error| Error::fatal("the ssh agent does not answer").because(error);
    agent.write_all(&[0, 0, 0, 1, REQUEST]).map_err(silent)?;
    let mut length = [0; 4];
    agent.read_exact(&mut length).map_err(silent)?;
    let length = u32::from_be_bytes(length);
    if length > LIMIT {
        return Err(Error::malformed(format!("the ssh agent answers with more than {LIMIT} bytes")));
    }
    let mut answer = Vec::new();
    agent.take(length.into()).read_to_end(&mut answer).map_err(silent)?;
    match answer.split_first() {
        Some((&ANSWER, rest)) => identities(rest).ok_or_else(|| Error::malformed("the ssh agent's answer is cut off")),
        _ => Err(Error::fatal("the ssh agent refuses to tell its keys").help("is it locked? `ssh-add -X` unlocks it")),
    }
}

/// A number of keys, each its blob and its comment.
fn identities(answer: &[u8]) -> Option<Vec<String>> {
    let (count, mut rest) = answer.split_first_chunk::<4>()?;
    let mut keys = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (blob, after) = take_string(rest)?;
        let (comment, after) = take_string(after)?;
        let kind = std::str::from_utf8(take_string(blob)?.0).ok()?;
        // It is the agent's to choose, and a line's end in it would begin another key.
        let comment = String::from_utf8_lossy(comment).replace(char::is_control, " ");
        keys.push(format!("{kind} {} {comment}", STANDARD.encode(blob)).trim_end().to_owned());
        rest = after;
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public_key::PublicKey;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0";

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    /// What comes of an agent that gives that answer.
    fn answered(answer: Vec<u8>) -> Result<Vec<String>> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let agent = std::thread::spawn(move || {
            let mut question = [0; 5];
            theirs.read_exact(&mut question).unwrap();
            theirs.write_all(&answer).unwrap();
            question
        });
        let keys = ask(ours);
        assert_eq!(agent.join().unwrap(), [0, 0, 0, 1, 11]);
        keys
    }

    #[test]
    fn each_key_becomes_a_line_that_sshd_reads() {
        let blob = STANDARD.decode(PublicKey::parse(KEY).unwrap().blob).unwrap();
        let pair = |comment: &[u8]| [string(&blob), string(comment)].concat();
        let answer = [&[12, 0, 0, 0, 2][..], &pair(b"me@example"), &pair(b"two\nssh-rsa x")].concat();
        let keys = answered(string(&answer)).unwrap();
        assert_eq!(keys, [format!("{KEY} me@example"), format!("{KEY} two ssh-rsa x")]);
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        for (answer, expected) in [
            (string(&[5]), "refuses"),
            (string(&[]), "refuses"),
            (string(&[12, 0, 0, 0, 1]), "cut off"),
            (string(&[12, 255, 255, 255, 255, 0, 0, 0, 9]), "cut off"),
            (vec![0, 0, 0], "does not answer"),
            (vec![255; 4], "more than 262144 bytes"),
        ] {
            let error = answered(answer).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
