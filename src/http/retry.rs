// SPDX-License-Identifier: Apache-2.0
//! Trying again: back-off with jitter, and what the server asked for.

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Result;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Calls `attempt` until it succeeds, fails for good, or the next try would begin after `deadline`; then its last error.
///
/// Pauses double from 200 ms to 10 s, spread by a quarter, and are never shorter than the server's `Retry-After`.
pub fn retry<T>(deadline: Instant, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match attempt() {
            Err(error) if error.is_transient() => error,
            outcome => return outcome,
        };
        let wait = spread(pause, 25).max(error.retry_after().unwrap_or_default());
        if deadline.saturating_duration_since(Instant::now()) <= wait {
            return Err(error);
        }
        log::debug!("{error}; trying again in {wait:.1?}");
        thread::sleep(wait);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// `interval` made longer or shorter by up to `percent`, so that a hundred VMs started at once don't ask at once.
pub fn spread(interval: Duration, percent: u32) -> Duration {
    // The keys of a hash map are the randomness that the standard library has; it comes from the kernel.
    let random = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    let factor = 1.0 + f64::from(percent.min(100)) / 100.0 * (2.0 * random - 1.0);
    Duration::try_from_secs_f64(interval.as_secs_f64() * factor).unwrap_or(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn only_transient_errors_are_tried_again() {
        let mut tries = 0;
        let outcome = retry(soon(), || {
            tries += 1;
            if tries < 3 { Err(Error::transient("busy")) } else { Ok(tries) }
        });
        assert_eq!(outcome.unwrap(), 3);

        let mut tries = 0;
        let outcome: Result<()> = retry(soon(), || {
            tries += 1;
            Err(Error::fatal("no"))
        });
        assert!(outcome.is_err());
        assert_eq!(tries, 1);
    }

    #[test]
    fn a_pause_that_the_server_asks_for_and_that_ends_too_late_ends_the_trying() {
        let mut tries = 0;
        let outcome: Result<()> = retry(soon(), || {
            tries += 1;
            Err(Error::transient("busy").not_before(Duration::from_secs(u32::MAX.into())))
        });
        assert_eq!(outcome.unwrap_err().to_string(), "busy");
        assert_eq!(tries, 1);
    }

    #[test]
    fn spreading_stays_within_its_share_and_differs() {
        let minute = Duration::from_secs(60);
        let all: Vec<Duration> = (0..100).map(|_| spread(minute, 10)).collect();
        assert!(all.iter().all(|d| (54.0..=66.0).contains(&d.as_secs_f64())), "{all:?}");
        assert!(all.iter().any(|d| *d != all[0]));
        assert_eq!(spread(Duration::ZERO, 10), Duration::ZERO);
    }
}
