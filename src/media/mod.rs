// SPDX-License-Identifier: Apache-2.0
//! Block devices: their labels, and reading what is on them with and without a mount.
