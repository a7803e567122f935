// SPDX-License-Identifier: Apache-2.0
//! The only room that touches the machine.

mod files;
mod label;
mod lock;
pub mod target;
