// SPDX-License-Identifier: Apache-2.0
//! The road itself: detect, fetch, decode, merge, plan, apply, report.
