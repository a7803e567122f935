// SPDX-License-Identifier: Apache-2.0
//! A tree with changes on top that are not made: how a plan knows what its later steps will find.
