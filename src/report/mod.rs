// SPDX-License-Identifier: Apache-2.0
//! What happened, for people and programs.
