// SPDX-License-Identifier: Apache-2.0
//! OpenStack's `password`: what a guest posts once (encrypted with its own public key) and whoever asks for the guest gets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Guests that are remembered, and bytes of each: as nova has it.
const GUESTS: usize = 10_000;
/// Bytes of a password.
pub const LONGEST: usize = 1020;

/// What guests posted to this server, as long as it runs.
#[derive(Default)]
pub struct Passwords(Mutex<HashMap<String, Bytes>>);

/// What became of one that was posted.
#[derive(Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is kept.
    Kept,
    /// The guest has posted one before.
    Again,
    /// There is no room.
    Full,
}

impl Passwords {
    /// Keeps the first of each guest.
    pub fn post(&self, guest: &str, password: Bytes) -> Posted {
        let mut passwords = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if passwords.contains_key(guest) {
            return Posted::Again;
        }
        if passwords.len() >= GUESTS {
            return Posted::Full;
        }
        passwords.insert(guest.to_owned(), password);
        Posted::Kept
    }

    /// What the guest posted; empty where it did not, as nova answers.
    pub fn get(&self, guest: &str) -> Bytes {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(guest).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_counts() {
        let passwords = Passwords::default();
        assert_eq!(passwords.post("a", "one".into()), Posted::Kept);
        assert_eq!(passwords.post("a", "two".into()), Posted::Again);
        assert_eq!((passwords.get("a"), passwords.get("b")), ("one".into(), "".into()));
    }
}
