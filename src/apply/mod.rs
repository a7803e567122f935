// SPDX-License-Identifier: Apache-2.0
//! The only room that touches the machine.

pub mod commands;
pub mod entries;
mod interfaces;
pub mod interrupt;
pub mod journal;
mod lines;
mod lock;
pub mod output;
mod request;
pub mod run_lock;
pub mod steps;
pub mod target;
