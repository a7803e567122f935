// SPDX-License-Identifier: Apache-2.0
//! Days as shadow(5) counts them: since 1 January 1970, UTC.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A day. It comes from outside, so that a plan is a function of its input alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u32);

impl Day {
    /// By the machine's clock; day 0 where that stands before 1970.
    pub fn today() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(u32::try_from(seconds / 86_400).unwrap_or(0))
    }

    /// From `YYYY-MM-DD`, 1970 to 9999; `None` for anything else, 30 February too.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next()?;
            (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<u32>().ok())?
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = |month| match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap(year)),
            _ => 0,
        };
        if parts.next().is_some() || year < 1970 || day == 0 || day > length(month) {
            return None;
        }
        let years: u32 = (1970..year).map(|year| 365 + u32::from(leap(year))).sum();
        let months: u32 = (1..month).map(length).sum();
        Some(Self(years + months + day - 1))
    }
}

/// As in shadow's field of the last change. Day 0 would force a new password at the next login, so a clock that is not
/// set yet gives an empty field (no ageing), as useradd does.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            day => write!(f, "{day}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_that_date_gives() {
        // date -u -d DATE +%s, divided by 86400.
        for (text, day) in [("1970-01-01", 0), ("2000-02-29", 11016), ("2027-01-31", 20849), ("9999-12-31", 2_932_896)]
        {
            assert_eq!(Day::parse(text), Some(Day(day)), "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in ["", "2027-02-29", "2027-13-01", "2027-1-1", "27-01-01", "1969-12-31", "2027-01-00", "2027-01-31-1"]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }
}
