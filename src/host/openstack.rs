// SPDX-License-Identifier: Apache-2.0
//! What a config drive and the metadata service have in common: the versions that nova has.

/// Oldest first; `latest` sorts behind all dates.
pub const VERSIONS: [&str; 11] = [
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
    "latest",
];
