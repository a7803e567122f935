// SPDX-License-Identifier: Apache-2.0
//! The only room that touches the machine.

pub mod commands;
pub mod interrupt;
mod lines;
