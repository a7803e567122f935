// SPDX-License-Identifier: Apache-2.0
//! What one address may take: connections at a time, and requests in a second. A guest that asks without end hurts itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Connections of one address at a time.
const CONNECTIONS: u32 = 64;
/// A guest boots in a burst: that many seconds' worth at once.
const BURST: f64 = 10.0;
/// Addresses that are remembered; of more, those that have been quiet are forgotten.
const ADDRESSES: usize = 16_384;

/// Counts for each address.
pub struct Limits {
    /// Requests in a second; none is no bound.
    rate: Option<f64>,
    addresses: Mutex<HashMap<IpAddr, Arc<Mutex<Share>>>>,
}

/// What one address has left.
struct Share {
    connections: u32,
    requests: f64,
    /// When `requests` was true.
    counted: Instant,
    /// When a refusal was last worth a line in the log.
    said: Option<Instant>,
}

/// A connection's place; it is free again when this goes.
pub struct Place {
    share: Arc<Mutex<Share>>,
    rate: Option<f64>,
}

/// Whether a request may be answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may.
    Yes,
    /// It is one too many; `say` where that is the first in this second.
    No {
        /// Whether it is worth a line.
        say: bool,
    },
}

impl Limits {
    /// At most `rate` requests in a second for each address, on average; 0 is no bound.
    pub fn new(rate: u32) -> Self {
        Self { rate: (rate > 0).then(|| f64::from(rate)), addresses: Mutex::default() }
    }

    /// A place for a connection from there; `None` where the address has too many, or too many addresses ask.
    pub fn place(&self, address: IpAddr, now: Instant) -> Option<Place> {
        let mut addresses = lock(&self.addresses);
        if !addresses.contains_key(&address) && addresses.len() >= ADDRESSES {
            addresses.retain(|_, share| !lock(share).is_at_rest(self.rate, now));
            if addresses.len() >= ADDRESSES {
                return None;
            }
        }
        let share = addresses.entry(address).or_insert_with(|| {
            let requests = self.rate.map_or(0.0, |rate| rate * BURST);
            Arc::new(Mutex::new(Share { connections: 0, requests, counted: now, said: None }))
        });
        let mut counted = lock(share);
        // Without a bound it is a proxy, by whose address all guests come.
        if self.rate.is_some() && counted.connections >= CONNECTIONS {
            return None;
        }
        counted.connections += 1;
        drop(counted);
        Some(Place { share: Arc::clone(share), rate: self.rate })
    }
}

impl Share {
    fn fill(&mut self, rate: f64, now: Instant) {
        let since = now.saturating_duration_since(self.counted).as_secs_f64();
        self.requests = (self.requests + since * rate).min(rate * BURST);
        self.counted = now;
    }

    /// Whether forgetting it changes nothing.
    fn is_at_rest(&mut self, rate: Option<f64>, now: Instant) -> bool {
        let Some(rate) = rate else { return self.connections == 0 };
        self.fill(rate, now);
        self.connections == 0 && self.requests >= rate * BURST
    }
}

impl Place {
    /// Takes one request.
    pub fn take(&self, now: Instant) -> Taken {
        let Some(rate) = self.rate else { return Taken::Yes };
        let mut share = lock(&self.share);
        share.fill(rate, now);
        if share.requests >= 1.0 {
            share.requests -= 1.0;
            return Taken::Yes;
        }
        let say = share.said.is_none_or(|said| now.saturating_duration_since(said) >= Duration::from_secs(1));
        if say {
            share.said = Some(now);
        }
        Taken::No { say }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut share = lock(&self.share);
        share.connections = share.connections.saturating_sub(1);
    }
}

/// A count is whole whoever stopped while holding it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_burst_is_answered_then_the_rate_and_the_neighbour_does_not_notice() {
        let (limits, begin) = (Limits::new(2), Instant::now());
        let (greedy, neighbour) = (limits.place(address(1), begin).unwrap(), limits.place(address(2), begin).unwrap());
        let answered = |place: &Place, now| (0..1000).filter(|_| place.take(now) == Taken::Yes).count();
        assert_eq!(answered(&greedy, begin), 20);
        assert_eq!(answered(&greedy, begin + Duration::from_secs(1)), 2);
        assert_eq!(neighbour.take(begin), Taken::Yes);
        drop(greedy);
        let again = limits.place(address(1), begin + Duration::from_secs(1)).unwrap();
        assert_eq!(answered(&again, begin + Duration::from_secs(1)), 0, "another connection is no other guest");
    }

    #[test]
    fn refusals_are_said_once_in_a_second() {
        let (limits, begin) = (Limits::new(1), Instant::now());
        let place = limits.place(address(1), begin).unwrap();
        let said = |now| (0..100).filter(|_| place.take(now) == Taken::No { say: true }).count();
        assert_eq!((said(begin), said(begin), said(begin + Duration::from_secs(1))), (1, 0, 1));
    }

    #[test]
    fn an_address_has_so_many_connections() {
        let (limits, now) = (Limits::new(1), Instant::now());
        let mut places: Vec<Place> = (0..CONNECTIONS).map(|_| limits.place(address(1), now).unwrap()).collect();
        assert!(limits.place(address(1), now).is_none());
        assert!(limits.place(address(2), now).is_some());
        places.pop();
        assert!(limits.place(address(1), now).is_some());
        let proxied = Limits::new(0);
        let places: Vec<_> = (0..=CONNECTIONS).map(|_| proxied.place(address(1), now)).collect();
        assert!(places.iter().all(Option::is_some), "a proxy brings them all");
    }

    #[test]
    fn quiet_addresses_are_forgotten_and_greedy_ones_are_not() {
        let (limits, begin) = (Limits::new(1), Instant::now());
        let greedy = limits.place(address(0), begin).unwrap();
        while greedy.take(begin) == Taken::Yes {}
        drop(greedy);
        for number in 1..=2 * u32::try_from(ADDRESSES).unwrap() {
            assert!(limits.place(address(number), begin).is_some());
        }
        assert!(lock(&limits.addresses).len() <= ADDRESSES);
        assert_ne!(limits.place(address(0), begin).unwrap().take(begin), Taken::Yes);
    }
}
