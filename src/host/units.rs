// SPDX-License-Identifier: Apache-2.0
//! Sizes and durations as people write them, on the command line and in the settings file.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::config::types::{duration, size};

/// Bytes: a number, or one with K, M, G or T behind it, base 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match size(text.trim()) {
            Some(bytes @ 1..) => Ok(Self(bytes)),
            _ => Err("a size is a number of bytes, or one with K, M, G or T behind it: 512M, 20G"),
        }
    }
}

/// Memory: as QEMU and libvirt's people write it, where a number alone is MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(u64);

impl Memory {
    /// MiB.
    pub fn mib(self) -> u64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let alone = text.parse().ok();
        match alone.or_else(|| size(text).map(|bytes| bytes >> 20)) {
            Some(mib @ 16..=16_777_216) => Ok(Self(mib)),
            _ => Err("memory is a number of MiB, or one with M, G or T behind it, from 16M to 16T: 512M, 2G"),
        }
    }
}

/// Bytes of a disk: a [`Size`] that cannot be a number of GiB, or of MiB, without its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSize(pub u64);

impl FromStr for DiskSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match size(text.trim()) {
            Some(bytes) if bytes >= 1 << 20 => Ok(Self(bytes)),
            _ => Err("a disk's size is a number with M, G or T behind it (alone it is bytes), 1M at least: 20G"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 30 && bytes % (1 << 30) == 0 => write!(f, "{} GiB", bytes >> 30),
            bytes if bytes >= 1 << 20 => write!(f, "{} MiB", bytes >> 20),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// A time to wait: seconds, or a number with ms, s, m, h or d behind it; at most a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match duration(text.trim()) {
            Some(time) if !time.is_zero() && time <= Duration::from_secs(365 * 86_400) => Ok(Self(time)),
            _ => Err("a time is a number of seconds, or one with s, m, h or d behind it: 90s, 2h"),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds if seconds >= 3600 && seconds % 3600 == 0 => write!(f, "{} h", seconds / 3600),
            seconds if seconds >= 60 && seconds % 60 == 0 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{seconds} s"),
        }
    }
}

/// A number or a text: `20G` and 3600 are both written without quotes. A visitor's errors get their place in the file.
struct Scalar<T>(PhantomData<T>);

impl<T: FromStr<Err = &'static str>> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or one with a unit behind it")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar(PhantomData))
    }
}

impl<'de> Deserialize<'de> for DiskSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_read_as_people_write_them_and_told_the_same_way() {
        for (text, bytes, told) in
            [("20G", 20 << 30, "20 GiB"), ("1.5G", 3 << 29, "1536 MiB"), ("700", 700, "700 bytes")]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), told);
        }
        for (text, seconds, told) in [("2h", 7200, "2 h"), ("90", 90, "90 s"), ("30m", 1800, "30 min")] {
            assert_eq!(text.parse(), Ok(Time(Duration::from_secs(seconds))));
            assert_eq!(Time(Duration::from_secs(seconds)).to_string(), told);
        }
        for (text, mib) in [("1024", 1024), ("512M", 512), ("1G", 1024), ("1.5G", 1536)] {
            assert_eq!(text.parse(), Ok(Memory(mib)));
        }
        for text in ["", "0", "8", "8M", "-1", "1X", "17T"] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
        assert_eq!("20G".parse(), Ok(DiskSize(20 << 30)));
        for text in ["", "0", "20", "2048"] {
            assert!(text.parse::<DiskSize>().is_err(), "{text}");
        }
        for text in ["", "0", "-1G", "1X", "9999999T", "NaN", "inf"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for text in ["", "0", "-1", "2w", "400d", "1e9"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }
}
