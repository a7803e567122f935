// SPDX-License-Identifier: Apache-2.0
//! Steps: what has to change, in which order, and how that is shown.

pub mod accounts;
pub mod action;
pub mod change;
pub mod day;
mod diff;
mod draft;
pub mod expand;
pub mod interfaces;
pub mod order;
pub mod overlay;
pub mod power;
pub mod request;
pub mod show;
pub mod step;
