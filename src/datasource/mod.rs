// SPDX-License-Identifier: Apache-2.0
//! Where the configuration is: the datasources in the order in which they are asked.
