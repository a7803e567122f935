// SPDX-License-Identifier: Apache-2.0
//! The cloud-config document: merged, typed, every value with its origin.

pub mod base;
pub mod default_user;
pub mod document;
pub mod json;
pub mod merge;
pub mod missing;
mod node;
pub mod read;
pub mod template;
pub mod types;

mod compose;
mod dates;
mod escape;
mod events;
mod flow;
mod kind;
mod mapping;
mod methods;
mod nesting;
mod resolve;
mod syntax;
