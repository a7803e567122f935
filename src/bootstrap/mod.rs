// SPDX-License-Identifier: Apache-2.0
//! The site's bootstrap script: fetched, checked, run, counted, until it succeeds.
