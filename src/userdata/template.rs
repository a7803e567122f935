// SPDX-License-Identifier: Apache-2.0
//! Jinja templates over instance data.
