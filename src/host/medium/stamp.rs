// SPDX-License-Identifier: Apache-2.0
//! The one time that everything on a medium has.

use crate::error::{Error, Result};
use crate::report::clock;

/// As <https://reproducible-builds.org/specs/source-date-epoch/> has it.
const VARIABLE: &str = "SOURCE_DATE_EPOCH";
/// 1980-01-01, where a FAT's time begins.
const FIRST: u64 = 315_532_800;
/// 2108-01-01, where it ends.
const END: u64 = 4_354_819_200;

/// A point in time, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Since 1970.
    pub seconds: u64,
    /// 1980 to 2107.
    pub year: u16,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl Stamp {
    /// What `SOURCE_DATE_EPOCH` says, else 1980-01-01; so is a time before that, which no FAT knows.
    pub fn from_environment() -> Result<Self> {
        match std::env::var_os(VARIABLE) {
            Some(value) => Self::parse(&value.to_string_lossy()),
            None => Ok(Self::at(FIRST)),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds < END);
        let seconds = seconds.ok_or_else(|| {
            Error::malformed(format!("{VARIABLE} is no time: `{text}`"))
                .help("give the seconds since 1970, before the year 2108, or take it out of the environment")
        })?;
        Ok(Self::at(seconds.max(FIRST)))
    }

    /// `seconds` since 1970, from 1980 to 2107.
    pub fn at(seconds: u64) -> Self {
        let (year, month, day) = clock::date(seconds / 86_400);
        let [month, day, hour, minute, second] =
            [month, day, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map(|part| part as u8);
        Self { seconds, year: year as u16, month, day, hour, minute, second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_every_medium_can_hold() {
        let parts = |text: &str| {
            let it = Stamp::parse(text).unwrap();
            (it.year, it.month, it.day, it.hour, it.minute, it.second)
        };
        assert_eq!(parts("0"), (1980, 1, 1, 0, 0, 0));
        assert_eq!(parts("1709251199"), (2024, 2, 29, 23, 59, 59));
        assert_eq!(parts(&(END - 1).to_string()), (2107, 12, 31, 23, 59, 59));
        for wrong in ["", "-1", "now", "1e9", &END.to_string()] {
            assert!(Stamp::parse(wrong).unwrap_err().to_string().starts_with("SOURCE_DATE_EPOCH is no time"));
        }
    }
}
