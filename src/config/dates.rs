// SPDX-License-Identifier: Apache-2.0
//! Dates and times as YAML 1.1 writes them, and which of them there are.

/// `2024-01-02`, or with a time and perhaps a zone behind it; also where there is no such day or time.
pub(super) fn looks_like_date(text: &str) -> bool {
    read(text).is_some()
}

/// The same, and there is such a day and time: from the year 1, no leap seconds, a zone of less than a day.
pub(super) fn is_date(text: &str) -> bool {
    read(text).is_some_and(|date| date.exists())
}

/// A date and time. What is not said is zero.
#[derive(Default)]
struct Date {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    /// Minutes from UTC, without the sign.
    zone: u32,
}

impl Date {
    fn exists(&self) -> bool {
        let leap = self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        let time = self.hour < 24 && self.minute < 60 && self.second < 60 && self.zone < 24 * 60;
        self.year > 0 && (1..=days).contains(&self.day) && time
    }
}

fn read(text: &str) -> Option<Date> {
    let mut date = Date::default();
    let rest = number(text, 4..=4, &mut date.year)?;
    let rest = rest.strip_prefix('-')?;
    let month = number(rest, 1..=2, &mut date.month)?;
    let rest = number(month.strip_prefix('-')?, 1..=2, &mut date.day)?;
    if rest.is_empty() {
        // A date alone has all its digits.
        return (text.len() == "2024-01-02".len()).then_some(date);
    }
    let clock = match rest.strip_prefix(['T', 't']) {
        Some(clock) => clock,
        None => rest.strip_prefix([' ', '\t'])?.trim_start_matches([' ', '\t']),
    };
    let rest = number(clock, 1..=2, &mut date.hour)?;
    let rest = number(rest.strip_prefix(':')?, 2..=2, &mut date.minute)?;
    let rest = number(rest.strip_prefix(':')?, 2..=2, &mut date.second)?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let zone = match rest.trim_start_matches([' ', '\t']) {
        "" if rest.is_empty() => return Some(date),
        "Z" => return Some(date),
        zone => zone.strip_prefix(['+', '-'])?,
    };
    let (mut hours, mut minutes) = (0, 0);
    let rest = number(zone, 1..=2, &mut hours)?;
    if !rest.is_empty() && !number(rest.strip_prefix(':')?, 2..=2, &mut minutes)?.is_empty() {
        return None;
    }
    Some(Date { zone: hours * 60 + minutes, ..date })
}

/// Reads the digits that `text` begins with and returns the rest; `None` where there are fewer or more than `count`.
fn number<'a>(text: &'a str, count: std::ops::RangeInclusive<usize>, value: &mut u32) -> Option<&'a str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    *value = digits.parse().ok().filter(|_| count.contains(&end))?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_that_there_are() {
        for text in ["2024-02-29", "2000-02-29", "0001-01-01", "2024-12-31 23:59:59", "2024-01-02T1:00:00+23:59"] {
            assert!(is_date(text), "{text}");
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-00-01",
            "2024-13-01",
            "2024-01-00",
            "0000-01-01",
            "2024-01-02 24:00:00",
            "2024-01-02 23:60:00",
            "2024-01-02 23:59:60",
            "2024-01-02 1:00:00 +24",
        ] {
            assert!(looks_like_date(text) && !is_date(text), "{text}");
        }
        for text in ["2024-1-2", "24-01-02", "2024-01-02T", "2024-01-02 1:00", "2024-01-02 1:00:00 +1:0", "20240102"] {
            assert!(!looks_like_date(text), "{text}");
        }
    }
}
