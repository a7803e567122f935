// SPDX-License-Identifier: Apache-2.0
//! A server's certificate that is refused: whether to ask again.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::CertificateError;

use crate::error::Error;

/// There where systemd-timesyncd has set the clock in this boot.
const CLOCK_IS_SET: &str = "/run/systemd/timesync/synchronized";

/// What to say where this is a certificate that can't be trusted. It will not be another one in a minute; only that it has
/// expired, or is for later, may be the fault of a clock that nobody has set yet.
pub(super) fn refused(error: &(dyn StdError + 'static)) -> Option<Error> {
    refused_by_clock(error, Path::new(CLOCK_IS_SET).exists())
}

fn refused_by_clock(error: &(dyn StdError + 'static), clock_is_set: bool) -> Option<Error> {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let wrong = certificate_error(error)?;
    let why = match wrong {
        // Its own words are those of a program.
        CertificateError::Other(other) => other.0.to_string(),
        wrong => wrong.to_string(),
    };
    let text = format!("its certificate is refused: {why}");
    let is_of_time = matches!(wrong, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. });
    if !is_of_time {
        let error = Error::fatal(text);
        return Some(match wrong {
            CertificateError::UnknownIssuer | CertificateError::Other(_) => {
                error.help("its root has to stand in this system's certificate store, and be another one than its own")
            }
            _ => error,
        });
    }
    let text = format!("{text} (the clock says {})", today(SystemTime::now()));
    Some(if clock_is_set { Error::fatal(text) } else { Error::transient(text) })
}

/// The reason beneath, where it is a certificate. An error of reading hides what it is made of.
fn certificate_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CertificateError> {
    /// Errors one in the other.
    const DEPTH: usize = 16;
    let mut cause: Option<&'a (dyn StdError + 'static)> = Some(error);
    for _ in 0..DEPTH {
        let here = cause?;
        if let Some(rustls::Error::InvalidCertificate(wrong)) = here.downcast_ref() {
            return Some(wrong);
        }
        let within = here.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = within.map(|within| within as &(dyn StdError + 'static)).or_else(|| here.source());
    }
    None
}

/// The day of the calendar, in UTC.
fn today(now: SystemTime) -> String {
    let days = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    // Years that begin in March, in eras of 400 of them, so that a leap day is the last one of its year.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Kind;

    fn kind(wrong: CertificateError, clock_is_set: bool) -> Kind {
        // As a connection gives it: within errors of reading.
        let inner = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(wrong));
        let error = io::Error::other(inner);
        refused_by_clock(&error, clock_is_set).unwrap().kind()
    }

    #[test]
    fn only_what_may_be_the_clock_s_fault_is_asked_again() {
        for wrong in [CertificateError::UnknownIssuer, CertificateError::NotValidForName, CertificateError::BadEncoding]
        {
            assert_eq!(kind(wrong, false), Kind::Fatal);
        }
        for wrong in [CertificateError::Expired, CertificateError::NotValidYet] {
            assert_eq!((kind(wrong.clone(), false), kind(wrong, true)), (Kind::Transient, Kind::Fatal));
        }
        assert!(refused_by_clock(&io::Error::other("reset"), false).is_none());
    }

    #[test]
    fn the_clock_s_day_is_told() {
        let error = io::Error::other(rustls::Error::InvalidCertificate(CertificateError::Expired));
        let said = refused_by_clock(&error, false).unwrap().to_string();
        assert!(said.starts_with("its certificate is refused: ") && said.contains("(the clock says 2"), "{said}");
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(today(UNIX_EPOCH + Duration::from_secs(seconds)), day);
        }
    }
}
