// SPDX-License-Identifier: Apache-2.0
//! The forms of `users` and `user` as the manual page and editors know them. What stands there is read in `wanted.rs`.

use crate::config::document::Node;
use crate::config::read::{Kind, Read};
use crate::finding::Findings;
use crate::modules::users::account::Account;

/// Names; a list of names, mappings and such lists; or a mapping by name.
#[derive(Debug, Clone)]
pub struct Users;

impl Read for Users {
    fn kind() -> Kind {
        let entry = Kind::OneOf(vec![String::kind(), Account::kind(), Kind::List(Box::new(Kind::Any))]);
        Kind::OneOf(vec![String::kind(), Kind::List(Box::new(entry)), Kind::Named(Box::new(Kind::Any))])
    }

    fn read(_: &Node, _: &mut Findings) -> Option<Self> {
        Some(Self)
    }
}

/// A name, or what is said of the default user.
#[derive(Debug, Clone)]
pub struct User;

impl Read for User {
    fn kind() -> Kind {
        Kind::OneOf(vec![String::kind(), Account::kind()])
    }

    fn read(_: &Node, _: &mut Findings) -> Option<Self> {
        Some(Self)
    }
}
