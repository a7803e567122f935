// SPDX-License-Identifier: Apache-2.0
//! How layers of configuration become one.
