// SPDX-License-Identifier: Apache-2.0
//! Trying again: back-off with jitter, and what the server asked for.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::error::Result;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Calls `attempt` until it succeeds, fails for good, was called `tries` times, or the next try would begin after
/// `deadline`; then its last error. `sleep` waits, and says whether the agent was told to end meanwhile: then there is no
/// other try.
///
/// Pauses double from 200 ms to 10 s, spread by a quarter, and are never shorter than the server's `Retry-After`.
pub fn retry<T>(
    tries: u32,
    deadline: Instant,
    sleep: impl Fn(Duration) -> bool,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    let mut pause = FIRST_PAUSE;
    let mut left = tries;
    loop {
        left = left.saturating_sub(1);
        let error = match attempt() {
            Err(error) if error.is_transient() && left > 0 => error,
            outcome => return outcome,
        };
        let wait = spread(pause, 25).max(error.retry_after().unwrap_or_default());
        if deadline.saturating_duration_since(Instant::now()) <= wait {
            return Err(error);
        }
        log::info!("{}; trying again in {wait:.1?}", error.without_advice());
        if sleep(wait) {
            return Err(error);
        }
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
    use std::cell::RefCell;

    use super::*;
    use crate::error::Error;

    /// How often a call is made whose outcomes are these, and what comes of it.
    fn tried(tries: u32, outcome: impl Fn(u32) -> Result<u32>) -> (u32, Result<u32>) {
        let mut made = 0;
        let last = retry(
            tries,
            Instant::now() + Duration::from_secs(20),
            |wait| wait > Duration::from_secs(1),
            || {
                made += 1;
                outcome(made)
            },
        );
        (made, last)
    }

    #[test]
    fn only_what_may_work_later_is_tried_again_and_not_for_ever() {
        let busy = |_| Err(Error::transient("busy"));
        assert_eq!(tried(9, |made| if made < 3 { busy(made) } else { Ok(made) }).1.unwrap(), 3);
        let (made, last) = tried(2, busy);
        assert_eq!((made, last.unwrap_err().to_string().as_str()), (2, "busy"));
        assert_eq!(tried(9, |_| Err(Error::fatal("no"))).0, 1);
        assert_eq!(tried(0, busy).0, 1);
        assert_eq!(tried(9, busy).0, 4, "told to end in the first pause that is longer than a second");
    }

    #[test]
    fn a_pause_that_the_server_asks_for_and_that_ends_too_late_ends_the_trying() {
        let (made, last) = tried(9, |_| Err(Error::transient("busy").not_before(Duration::from_secs(3600))));
        assert_eq!((made, last.unwrap_err().to_string().as_str()), (1, "busy"));
    }

    /// The pauses between tries that all fail, of servers that ask for `asked`.
    fn pauses(tries: u32, deadline: Duration, asked: Option<Duration>) -> Vec<f64> {
        let pauses = RefCell::new(Vec::new());
        let sleep = |pause: Duration| {
            pauses.borrow_mut().push(pause.as_secs_f64());
            false
        };
        let busy = || match asked {
            Some(pause) => Error::transient("busy").not_before(pause),
            None => Error::transient("busy"),
        };
        retry(tries, Instant::now() + deadline, sleep, || Err::<(), _>(busy())).unwrap_err();
        pauses.into_inner()
    }

    #[test]
    fn pauses_double_up_to_ten_seconds_and_are_never_shorter_than_the_server_asks() {
        let far = Duration::from_secs(1000);
        let doubled = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0];
        for (pause, due) in pauses(9, far, None).iter().zip(doubled) {
            assert!((0.74 * due..=1.26 * due).contains(pause), "{pause} for {due}");
        }
        let asked = pauses(9, far, Some(Duration::from_secs(2)));
        assert_eq!((asked.len(), &asked[..3]), (8, [2.0, 2.0, 2.0].as_slice()));
        assert!(asked[7] >= 7.5, "{asked:?}");
    }

    #[test]
    fn no_pause_ends_after_the_deadline() {
        // Nobody sleeps here, so that all of the time is left at each pause: the one of 6.4 s is too long.
        let pauses = pauses(99, Duration::from_secs(4), None);
        assert!(pauses.len() >= 4 && pauses.iter().all(|pause| *pause < 4.0), "{pauses:?}");
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
