// SPDX-License-Identifier: Apache-2.0
//! Which steps are due, and in which order.
