// SPDX-License-Identifier: Apache-2.0
//! Compressed user-data, bounded.
