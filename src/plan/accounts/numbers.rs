// SPDX-License-Identifier: Apache-2.0
//! Which number a new user or group gets.

use std::collections::BTreeSet;

/// Numbers that may be given; system accounts get them from the top down, others from the bottom up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) struct Range {
    pub min: u32,
    pub max: u32,
    pub system: bool,
}

impl Range {
    /// Whether it is one of them.
    pub fn contains(self, number: u32) -> bool {
        (self.min..=self.max).contains(&number)
    }

    /// The number after the last that is used, so that one that was given back is not soon given to another; the first
    /// free one where that is past the end. `None` where all are used. Measured on useradd 4.13.
    pub fn free(self, used: &BTreeSet<u32>) -> Option<u32> {
        if self.min > self.max {
            return None;
        }
        let mut inside = used.range(self.min..=self.max).copied();
        let (next, first) = if self.system {
            let next = inside.next().map_or(Some(self.max), |lowest| lowest.checked_sub(1));
            (next, (self.min..=self.max).rev().find(|number| !used.contains(number)))
        } else {
            let next = inside.next_back().map_or(Some(self.min), |highest| highest.checked_add(1));
            (next, (self.min..=self.max).find(|number| !used.contains(number)))
        };
        next.filter(|number| self.contains(*number)).or(first)
    }

    /// The start of the first `count` numbers that are in none of `used` (start and count). `None` where there is none.
    pub fn free_block(self, used: impl IntoIterator<Item = (u32, u32)>, count: u32) -> Option<u32> {
        let mut used: Vec<(u64, u64)> = used.into_iter().map(|(start, count)| (start.into(), count.into())).collect();
        used.sort_unstable();
        let mut start = u64::from(self.min);
        for (other, size) in used {
            if start + u64::from(count) <= other {
                break;
            }
            start = start.max(other + size);
        }
        let last = (start + u64::from(count)).checked_sub(1)?;
        u32::try_from(start).ok().filter(|_| count > 0 && last <= u64::from(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_those_that_useradd_gives() {
        // useradd 4.13 with just these users in passwd.
        let free = |min, max, system, used: &[u32]| Range { min, max, system }.free(&used.iter().copied().collect());
        for (used, number) in
            [(&[0, 1000, 1005][..], 1006), (&[60000], 1000), (&[60000, 1000, 1001], 1002), (&[0, 65534], 1000)]
        {
            assert_eq!(free(1000, 60000, false, used), Some(number), "{used:?}");
        }
        for (used, number) in
            [(&[990][..], 989), (&[999, 990], 989), (&[999, 100], 998), (&[998, 100], 997), (&[101], 999)]
        {
            assert_eq!(free(101, 999, true, used), Some(number), "{used:?}");
        }
        assert_eq!(free(7, 8, false, &[7, 8]), None);
        assert_eq!(free(8, 7, false, &[]), None);
    }

    #[test]
    fn blocks_fill_the_first_gap() {
        let range = Range { min: 100, max: 200, system: false };
        assert_eq!(range.free_block([], 50), Some(100));
        assert_eq!(range.free_block([(150, 50), (100, 10)], 40), Some(110));
        assert_eq!(range.free_block([(100, 100)], 2), None);
        assert_eq!(range.free_block([(u32::MAX, u32::MAX)], 2), Some(100));
    }

    proptest! {
        #[test]
        fn a_free_number_is_free(used in proptest::collection::btree_set(0u32..40, 0..40), system: bool) {
            let range = Range { min: 10, max: 30, system };
            match range.free(&used) {
                Some(number) => prop_assert!(range.contains(number) && !used.contains(&number)),
                None => prop_assert!((10..=30).all(|number| used.contains(&number))),
            }
        }

        #[test]
        fn a_free_block_overlaps_none(used in proptest::collection::vec((0u32..300, 0u32..60), 0..8), count in 1u32..80) {
            let range = Range { min: 100, max: 400, system: false };
            if let Some(start) = range.free_block(used.clone(), count) {
                prop_assert!(start >= 100 && start + count - 1 <= 400);
                prop_assert!(used.iter().all(|(other, size)| start + count <= *other || other + size <= start));
            }
        }
    }
}
