// SPDX-License-Identifier: Apache-2.0
//! What happened, for people and programs.

pub mod clock;
pub mod console;
pub mod line;
pub mod log;
