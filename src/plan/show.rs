// SPDX-License-Identifier: Apache-2.0
//! A plan as a person reads it: steps with their origin, files as diffs; and as JSON.
