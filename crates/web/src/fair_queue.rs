//! Fair queueing (Nagle, RFC 970): turns go to sources in rotation, so that who asks for much waits for itself. When the
//! queue is full, the source that waits with most gives up its newest place (longest queue drop).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

/// Hands out turns. Clones share them.
#[derive(Clone, Debug)]
pub struct FairQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Places of all sources together.
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    free: usize,
    waiting: usize,
    queues: HashMap<Box<str>, VecDeque<oneshot::Sender<Turn>>>,
    /// Sources that wait, the next one first.
    rotation: VecDeque<Box<str>>,
}

/// One of the turns, until dropped.
#[derive(Debug)]
pub struct Turn(FairQueue);

impl FairQueue {
    /// So many `turns` at once, and so many `places` to wait for one.
    #[must_use]
    pub fn new(turns: usize, places: usize) -> Self {
        let state = State { free: turns, ..State::default() };
        Self(Arc::new(Inner { places, state: Mutex::new(state) }))
    }

    /// A turn for `source`, within `limit`. `None` when it does not come in time or there is no place to wait for it.
    pub async fn turn(&self, source: &str, limit: Duration) -> Option<Turn> {
        let receiver = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Turn(self.clone()));
            }
            state.wait(source, self.0.places)?
        };
        tokio::time::timeout(limit, receiver).await.ok()?.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A place in the queue of `source`.
    fn wait(&mut self, source: &str, places: usize) -> Option<oneshot::Receiver<Turn>> {
        if self.waiting >= places {
            self.forget_gone();
        }
        if self.waiting >= places {
            self.make_room(source)?;
        }
        let (sender, receiver) = oneshot::channel();
        match self.queues.get_mut(source) {
            Some(queue) => queue.push_back(sender),
            None => {
                self.queues.insert(source.into(), VecDeque::from([sender]));
                self.rotation.push_back(source.into());
            }
        }
        self.waiting += 1;
        Some(receiver)
    }

    /// Drops those who do not wait any more.
    fn forget_gone(&mut self) {
        let Self { waiting, queues, rotation, .. } = self;
        queues.retain(|_, queue| {
            let before = queue.len();
            queue.retain(|sender| !sender.is_closed());
            *waiting -= before - queue.len();
            !queue.is_empty()
        });
        rotation.retain(|source| queues.contains_key(source));
    }

    /// Takes a place from the source that has most, unless `source` would have as many then.
    fn make_room(&mut self, source: &str) -> Option<()> {
        let own = self.queues.get(source).map_or(0, VecDeque::len);
        let longest = self.queues.values_mut().max_by_key(|queue| queue.len())?;
        if longest.len() <= own + 1 {
            return None;
        }
        longest.pop_back();
        self.waiting -= 1;
        Some(())
    }

    /// Whose turn it is now.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while let Some(source) = self.rotation.pop_front() {
            let Some(queue) = self.queues.get_mut(&source) else { continue };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&source);
            } else {
                self.rotation.push_back(source);
            }
            self.waiting -= usize::from(next.is_some());
            if let Some(next) = next.filter(|sender| !sender.is_closed()) {
                return Some(next);
            }
        }
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let next = state.next();
            state.free += usize::from(next.is_none());
            next
        };
        if let Some(sender) = next {
            // Who has gone in this moment gives the turn back, which looks for the next one.
            let _ = sender.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn ask(queue: &FairQueue, source: &'static str) -> tokio::task::JoinHandle<Option<Turn>> {
        let queue = queue.clone();
        tokio::spawn(async move { queue.turn(source, LONG).await })
    }

    async fn settle() {
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_asks_for_much_waits_for_itself() {
        let queue = FairQueue::new(1, 16);
        let turn = queue.turn("flood", LONG).await;
        let mut flood: Vec<_> = (0..16).map(|_| ask(&queue, "flood")).collect();
        settle().await;
        assert!(queue.turn("flood", LONG).await.is_none(), "the queue is full of its own");
        let other = ask(&queue, "other");
        settle().await;
        assert!(flood.pop().unwrap().await.unwrap().is_none(), "the newest has made room");
        drop(turn);
        let before = flood.remove(0).await.unwrap();
        assert!(before.is_some() && !other.is_finished());
        drop(before);
        assert!(other.await.unwrap().is_some(), "after one of the flood, not after all");
    }

    #[tokio::test]
    async fn turns_survive_those_who_go() {
        let queue = FairQueue::new(2, 4);
        let turns = [queue.turn("a", LONG).await, queue.turn("b", LONG).await];
        for source in ["a", "b", "a", "b"] {
            assert!(queue.turn(source, Duration::from_millis(1)).await.is_none());
        }
        let waiting = ask(&queue, "c");
        settle().await;
        drop(turns);
        assert!(waiting.await.unwrap().is_some());
        let state = queue.state();
        assert_eq!((state.free, state.waiting, state.queues.len()), (2, 0, 0));
    }
}
