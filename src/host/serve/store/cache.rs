// SPDX-License-Identifier: Apache-2.0
//! What was read before, as far as there is room: by key, the least recently used half given up where there is none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::host::serve::store::Key;

/// What is known, at most.
const MOST_ENTRIES: usize = 10_000;
const MOST_BYTES: usize = 128 << 20;

/// What an entry costs beside its content.
const OVERHEAD: usize = 200;

/// Values by key.
pub struct Cache<V>(Mutex<Entries<V>>);

struct Entries<V> {
    by_key: HashMap<Key, Entry<V>>,
    bytes: usize,
    /// Grows with each use.
    clock: u64,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self(Mutex::new(Entries { by_key: HashMap::new(), bytes: 0, clock: 0 }))
    }
}

impl<V: Clone> Cache<V> {
    /// What was put there, if it still is.
    pub fn get(&self, key: &Key) -> Option<V> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let now = entries.clock;
        let entry = entries.by_key.get_mut(key)?;
        entry.used = now;
        Some(entry.value.clone())
    }

    /// Puts a value whose content has that many bytes there; without one, takes it away.
    pub fn put(&self, key: &Key, value: Option<V>, content: usize) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let used = entries.clock;
        if let Some(old) = entries.by_key.remove(key) {
            entries.bytes -= old.bytes;
        }
        let Some(value) = value else { return };
        let bytes = content + key.as_str().len() + OVERHEAD;
        entries.bytes += bytes;
        entries.by_key.insert(key.clone(), Entry { value, bytes, used });
        if entries.by_key.len() > MOST_ENTRIES || entries.bytes > MOST_BYTES {
            entries.make_room();
        }
    }
}

impl<V> Entries<V> {
    /// Half at a time, so that a full cache does not look for its oldest at each request.
    fn make_room(&mut self) {
        let mut uses: Vec<(u64, usize)> = self.by_key.values().map(|entry| (entry.used, entry.bytes)).collect();
        uses.sort_unstable_by(|a, b| b.cmp(a));
        let mut bytes = 0;
        let recent = uses.iter().take(MOST_ENTRIES / 2).take_while(|(_, size)| {
            bytes += size;
            bytes <= MOST_BYTES / 2
        });
        let oldest = recent.last().map_or(u64::MAX, |(used, _)| *used);
        self.by_key.retain(|_, entry| entry.used >= oldest);
        self.bytes = self.by_key.values().map(|entry| entry.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::new(&format!("{number}.json")).unwrap()
    }

    #[test]
    fn what_is_used_stays_and_the_bounds_hold() {
        let cache = Cache::default();
        for number in 0..3 * MOST_ENTRIES {
            cache.put(&key(number), Some(number), 10);
            assert_eq!(cache.get(&key(0)), Some(0), "used each time, at {number}");
        }
        let entries = cache.0.lock().unwrap();
        assert!(entries.by_key.len() <= MOST_ENTRIES);
        assert_eq!(entries.bytes, entries.by_key.values().map(|entry| entry.bytes).sum::<usize>());
    }

    #[test]
    fn large_contents_are_given_up_by_their_bytes() {
        let cache = Cache::default();
        for number in 0..20 {
            cache.put(&key(number), Some(number), 16 << 20);
            assert!(cache.0.lock().unwrap().bytes <= MOST_BYTES);
            assert_eq!(cache.get(&key(number)), Some(number));
        }
        assert_eq!(cache.get(&key(0)), None);
        cache.put(&key(19), None, 0);
        assert_eq!(cache.get(&key(19)), None);
    }
}
