// SPDX-License-Identifier: Apache-2.0
//! One neutral description of a guest's network, its readers and its renderers.
