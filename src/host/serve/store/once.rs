// SPDX-License-Identifier: Apache-2.0
//! One question at a time for a key: who asks while it is asked gets the same answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::host::serve::store::Key;

/// Questions that are being asked, whose answers are `A`.
pub struct Once<A>(Mutex<HashMap<Key, Arc<OnceCell<A>>>>);

impl<A> Default for Once<A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<A: Clone> Once<A> {
    /// The answer to the question that is being asked for `key`; nobody else's, `ask`'s own. One who goes away in the middle
    /// leaves the question to the next who waits.
    pub async fn ask<F: Future<Output = A>>(&self, key: &Key, ask: impl FnOnce() -> F) -> A {
        let cell = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone();
        let asked = Asked { once: self, key, cell };
        asked.cell.get_or_init(ask).await.clone()
    }
}

/// Somebody who waits; the last to go takes the question away.
struct Asked<'a, A> {
    once: &'a Once<A>,
    key: &'a Key,
    cell: Arc<OnceCell<A>>,
}

impl<A> Drop for Asked<'_, A> {
    fn drop(&mut self) {
        let mut asked = self.once.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = asked.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // An answer that is there is for those who asked before it came. Two hold the cell: the map and this one.
        if is_ours && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            asked.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn a_storm_asks_once_and_the_next_asks_again() {
        let (once, count, key) = (Once::default(), AtomicU32::new(0), Key::new("vm.json").unwrap());
        let question = || async {
            sleep(Duration::from_millis(10)).await;
            count.fetch_add(1, Ordering::Relaxed) + 1
        };
        let (a, b, c) = tokio::join!(once.ask(&key, question), once.ask(&key, question), once.ask(&key, question));
        assert_eq!([a, b, c], [1; 3]);
        assert_eq!(once.ask(&key, question).await, 2);
        assert!(once.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_who_goes_away_leaves_the_question_to_the_next() {
        let (once, key) = (Once::default(), Key::new("vm.json").unwrap());
        let impatient = timeout(
            Duration::from_millis(5),
            once.ask(&key, || async {
                sleep(Duration::from_secs(60)).await;
                0
            }),
        );
        let (gone, patient) = tokio::join!(impatient, once.ask(&key, || async { 1 }));
        assert!(gone.is_err());
        assert_eq!(patient, 1);
        assert!(once.0.lock().unwrap().is_empty());
    }
}
