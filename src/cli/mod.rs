// SPDX-License-Identifier: Apache-2.0
//! One file for each command: its arguments and what it does, thin.

pub mod bootstrap;
