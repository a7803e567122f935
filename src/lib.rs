// SPDX-License-Identifier: Apache-2.0
//! Firstlight configures a virtual machine the first time it wakes up.
//!
//! The road that the data takes: datasource → seed → instance, user-data, network → config → modules → plan → apply →
//! report. Below the rooms stand by floors: each imports only from its own floor and from those beneath.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod cli;
#[cfg(feature = "host")]
pub mod host;

pub mod boot;
pub mod schema;

pub mod apply;
pub mod bootstrap;
pub mod modules;

pub mod datasource;
pub mod instance;
pub mod plan;
pub mod report;
pub mod userdata;

pub mod config;
pub mod ephemeral;
pub mod guest;
pub mod http;
pub mod media;
pub mod network;
pub mod seed;

pub mod budget;
pub mod compression;
pub mod digest;
pub mod encoding;
pub mod error;
pub mod fault;
pub mod finding;
pub mod host_key;
pub mod input;
pub mod json;
pub mod netlink;
pub mod private_key;
pub mod program;
pub mod public_key;
pub mod random;
pub mod root;
pub mod sshd_config;
pub mod state;

#[cfg(test)]
mod scratch;
