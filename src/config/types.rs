// SPDX-License-Identifier: Apache-2.0
//! Types that occur in more than one module: file modes, sizes, durations, one-or-many.
