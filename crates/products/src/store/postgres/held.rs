//! Products whose rows somebody else holds: an operator in a transaction, a tool that never commits. Orders of other products
//! must not wait for them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

/// How long a product is suspected after its row could not be locked.
const TIME: Duration = Duration::from_secs(5);
/// Products that are remembered.
const PRODUCTS: usize = 10_000;

/// What is known about rows that could not be locked in time.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashMap<Uuid, Instant>>);

impl Held {
    fn known(&self) -> MutexGuard<'_, HashMap<Uuid, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of `products`, those that are not to be waited for.
    pub(super) fn among(&self, products: &[Uuid]) -> Vec<Uuid> {
        let (known, now) = (self.known(), Instant::now());
        let is_held = |id: &&Uuid| known.get(*id).is_some_and(|until| *until > now);
        products.iter().filter(is_held).copied().collect()
    }

    /// One of `products` could not be locked in time; which one, the next attempt tells.
    pub(super) fn suspect(&self, products: &[Uuid]) {
        let (mut known, now) = (self.known(), Instant::now());
        known.retain(|_, until| *until > now);
        if known.len() < PRODUCTS {
            known.extend(products.iter().map(|id| (*id, now + TIME)));
        }
    }

    /// `products` could be locked.
    pub(super) fn clear(&self, products: &[Uuid]) {
        let mut known = self.known();
        products.iter().for_each(|id| {
            known.remove(id);
        });
    }
}
