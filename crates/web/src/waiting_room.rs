//! Who asks the same waits together: one of them is answered, and tells the others. The answer was begun after all of them
//! had asked, so it is never older than what they could know.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Those who wait, by what they ask.
#[derive(Debug)]
pub(crate) struct WaitingRoom<K, A>(Mutex<Waiting<K, A>>);

#[derive(Debug)]
struct Waiting<K, A> {
    next: u64,
    by_key: HashMap<K, Vec<Waiter<A>>>,
}

/// The number of a seat, and how who sits there is told.
type Waiter<A> = (u64, oneshot::Sender<A>);

/// Those who were called out of the room; told nothing, they go back.
#[derive(Debug)]
pub(crate) struct Others<A>(Vec<Waiter<A>>);

/// A place in the room, until dropped.
struct Seat<'a, K: Eq + Hash, A> {
    room: &'a WaitingRoom<K, A>,
    key: &'a K,
    number: u64,
}

impl<K, A> Default for WaitingRoom<K, A> {
    fn default() -> Self {
        Self(Mutex::new(Waiting { next: 0, by_key: HashMap::new() }))
    }
}

impl<K, A> WaitingRoom<K, A> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<K, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash, A> WaitingRoom<K, A> {
    /// Waits until somebody tells the answer.
    pub(crate) async fn enter(&self, key: &K) -> A {
        loop {
            let (_seat, told) = self.sit_down(key);
            if let Ok(answer) = told.await {
                return answer;
            }
            // Who was to tell has gone, or failed: the next one may not.
        }
    }

    fn sit_down<'a>(&'a self, key: &'a K) -> (Seat<'a, K, A>, oneshot::Receiver<A>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.next += 1;
        let number = waiting.next;
        waiting.by_key.entry(key.clone()).or_default().push((number, sender));
        (Seat { room: self, key, number }, receiver)
    }

    /// All who ask that now: what is begun afterwards is as fresh as what they would find themselves.
    pub(crate) fn call(&self, key: &K) -> Others<A> {
        Others(self.waiting().by_key.remove(key).unwrap_or_default())
    }
}

impl<A: Clone> Others<A> {
    pub(crate) fn tell(self, answer: &A) {
        for (_, other) in self.0 {
            // Who does not wait any more has gone, or has a turn of his own.
            let _ = other.send(answer.clone());
        }
    }
}

impl<K: Eq + Hash, A> Drop for Seat<'_, K, A> {
    fn drop(&mut self) {
        let mut waiting = self.room.waiting();
        if let Some(waiters) = waiting.by_key.get_mut(self.key) {
            waiters.retain(|(number, _)| *number != self.number);
            if waiters.is_empty() {
                waiting.by_key.remove(self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_who_were_there_are_told_and_nobody_who_came_later() {
        let room: WaitingRoom<&str, u32> = WaitingRoom::default();
        let (mut one, mut two) = (pin!(room.enter(&"list")), pin!(room.enter(&"list")));
        let mut other = pin!(room.enter(&"other"));
        assert!(one.as_mut().now_or_never().is_none() && two.as_mut().now_or_never().is_none());
        assert!(other.as_mut().now_or_never().is_none());
        let called = room.call(&"list");
        let mut late = pin!(room.enter(&"list"));
        assert!(late.as_mut().now_or_never().is_none());
        called.tell(&7);
        assert_eq!((one.await, two.await), (7, 7));
        assert!(late.as_mut().now_or_never().is_none() && other.as_mut().now_or_never().is_none());
        drop(room.call(&"list"));
        assert!(late.as_mut().now_or_never().is_none(), "nobody tells what could not be made");
        room.call(&"list").tell(&8);
        assert_eq!(late.await, 8);
    }

    #[tokio::test]
    async fn who_goes_leaves_nothing_behind() {
        let room: WaitingRoom<&str, u32> = WaitingRoom::default();
        {
            let (mut one, mut two) = (pin!(room.enter(&"list")), pin!(room.enter(&"list")));
            assert!(one.as_mut().now_or_never().is_none() && two.as_mut().now_or_never().is_none());
        }
        assert!(room.waiting().by_key.is_empty());
    }
}
