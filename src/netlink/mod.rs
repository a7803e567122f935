// SPDX-License-Identifier: Apache-2.0
//! The kernel's network by rtnetlink(7): a small codec, a socket, and what is there.
