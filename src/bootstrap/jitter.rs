// SPDX-License-Identifier: Apache-2.0
//! Pauses that differ from machine to machine.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

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

    #[test]
    fn spreading_stays_within_its_share_and_differs() {
        let minute = Duration::from_secs(60);
        let all: Vec<Duration> = (0..100).map(|_| spread(minute, 10)).collect();
        assert!(all.iter().all(|d| (54.0..=66.0).contains(&d.as_secs_f64())), "{all:?}");
        assert!(all.iter().any(|d| *d != all[0]));
        assert_eq!(spread(Duration::ZERO, 10), Duration::ZERO);
    }
}
