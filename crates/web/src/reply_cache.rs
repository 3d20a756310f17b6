//! Answers that are kept as bytes for as long as what they were made of is the same.

use std::{hash::Hash, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use holdfast_types::Error;
use http_body_util::BodyExt;
use quick_cache::{Weighter, sync::Cache};

use crate::{ListPlace, Reply, waiting_room::WaitingRoom};

/// Bytes of answers that are kept: the first pages of a few hundred lists.
const BYTES: u64 = 16 << 20;
/// What an answer takes beside its body, its key and its headers.
const OVERHEAD: usize = 512;

/// What was asked.
pub trait Key: Clone + Eq + Hash {
    /// Bytes that it takes.
    fn bytes(&self) -> usize;
}

/// Answers by what was asked. `G` tells a state of everything that answers are made of: equal ones give equal answers.
#[derive(Debug)]
pub struct ReplyCache<K: Key, G> {
    kept: Cache<K, Arc<Kept<G>>, Weight>,
    waiting: WaitingRoom<K, Arc<Kept<G>>>,
}

#[derive(Debug)]
struct Kept<G> {
    /// Where nobody knows the state, the answer is not kept, but all who wait for it get it.
    state: Option<G>,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone, Debug)]
struct Weight;

impl<K: Key, G> Weighter<K, Arc<Kept<G>>> for Weight {
    fn weight(&self, key: &K, kept: &Arc<Kept<G>>) -> u64 {
        let headers = kept.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        (OVERHEAD + key.bytes() + kept.body.len() + headers.sum::<usize>()) as u64
    }
}

impl<K: Key, G> Default for ReplyCache<K, G> {
    fn default() -> Self {
        Self { kept: Cache::with_weighter(1000, BYTES, Weight), waiting: WaitingRoom::default() }
    }
}

impl<K: Key, G: PartialEq> ReplyCache<K, G> {
    /// The answer to what `key` asks in the state `now`: the one that is kept, or what `make` makes. Where nobody knows the state,
    /// nothing is kept. `now` must have been known before `make` looks at anything.
    pub async fn reply(
        &self,
        key: K,
        now: Option<G>,
        make: impl Future<Output = Reply> + Send,
    ) -> Reply {
        if now.is_none() {
            return make.await;
        }
        match self.find(&key, now.as_ref()) {
            Some(kept) => Ok(kept.response()),
            None => Ok(self.make(key, now, make).await?.0),
        }
    }

    /// The same for a list, which is made by whoever's turn comes, for all who asked the same until then.
    pub async fn list(
        &self,
        key: K,
        now: impl Fn() -> Option<G>,
        place: &ListPlace,
        make: impl Future<Output = Reply> + Send,
    ) -> Reply {
        if let Some(kept) = self.find(&key, now().as_ref()) {
            return Ok(kept.response());
        }
        let (_turn, others) = tokio::select! {
            // Who has both an answer and a turn leaves the turn to others.
            biased;
            kept = self.waiting.enter(&key) => return Ok(kept.response()),
            turn = place.turn() => (turn?, self.waiting.call(&key)),
        };
        // After all of them have asked, and before anything is looked at.
        let state = now();
        if let Some(kept) = self.find(&key, state.as_ref()) {
            others.tell(&kept);
            return Ok(kept.response());
        }
        let (response, kept) = self.make(key, state, make).await?;
        if let Some(kept) = kept {
            others.tell(&kept);
        }
        Ok(response)
    }

    fn find(&self, key: &K, now: Option<&G>) -> Option<Arc<Kept<G>>> {
        now?;
        self.kept.get(key).filter(|kept| kept.state.as_ref() == now)
    }

    /// What `make` makes, and the same for others, if it is for others.
    async fn make(
        &self,
        key: K,
        state: Option<G>,
        make: impl Future<Output = Reply> + Send,
    ) -> Reply<(Response, Option<Arc<Kept<G>>>)> {
        let (parts, body) = make.await?.into_parts();
        if parts.status != StatusCode::OK {
            return Ok((Response::from_parts(parts, body), None));
        }
        let body = body.collect().await.map_err(Error::internal)?.to_bytes();
        // As long as it is, and not as long as what it was written into.
        let body = Bytes::copy_from_slice(&body);
        let kept = Arc::new(Kept { state, headers: parts.headers, body });
        if kept.state.is_some() {
            self.kept.insert(key, Arc::clone(&kept));
        }
        Ok((kept.response(), Some(kept)))
    }
}

impl<G> Kept<G> {
    fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.headers_mut() = self.headers.clone();
        response
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering::Relaxed},
        time::Duration,
    };

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{FairQueue, json_reply};

    impl Key for &'static str {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    impl Key for usize {
        fn bytes(&self) -> usize {
            size_of::<Self>()
        }
    }

    async fn ask(
        cache: &ReplyCache<&'static str, u32>,
        now: Option<u32>,
        status: u16,
        answer: &str,
    ) -> String {
        let reply = cache.reply("limit=1", now, async { json_reply(status, &answer) }).await;
        let response = reply.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_kept_as_long_as_nothing_changes() {
        let cache = ReplyCache::default();
        assert_eq!(ask(&cache, Some(1), 200, "one").await, "one");
        assert_eq!(ask(&cache, Some(1), 200, "two").await, "one");
        assert_eq!(ask(&cache, Some(2), 200, "three").await, "three");
        assert_eq!(ask(&cache, None, 200, "four").await, "four");
        assert_eq!(ask(&cache, Some(3), 400, "five").await, "five");
        assert_eq!(ask(&cache, Some(3), 200, "six").await, "six", "a refusal is not kept");
    }

    #[tokio::test]
    async fn a_list_is_made_once_for_all_who_wait_for_it() {
        let cache: ReplyCache<&'static str, u32> = ReplyCache::default();
        let queue = FairQueue::new(1, 16);
        let held = queue.turn("somebody", Duration::from_secs(1)).await;
        let made = AtomicU32::new(0);
        let ask = async |key: &'static str, state: Option<u32>| {
            let place = ListPlace::new(queue.clone(), "them".to_owned());
            let make = async { json_reply(200, &made.fetch_add(1, Relaxed)) };
            let body = cache.list(key, || state, &place, make).await.unwrap().into_body();
            serde_json::from_slice::<u32>(&body.collect().await.unwrap().to_bytes()).unwrap()
        };
        let asked =
            async { tokio::join!(ask("a", None), ask("a", None), ask("b", None), ask("a", None)) };
        let mut asked = std::pin::pin!(asked);
        assert!(asked.as_mut().now_or_never().is_none(), "there is no turn");
        drop(held);
        assert_eq!(asked.await, (0, 0, 1, 0));
        assert_eq!(ask("a", None).await, 2, "nothing is kept where nobody knows the state");
        assert_eq!((ask("a", Some(1)).await, ask("a", Some(1)).await), (3, 3));
        assert_eq!(ask("a", Some(2)).await, 4);
    }

    #[tokio::test]
    async fn who_asks_while_a_list_is_made_gets_a_later_one() {
        let cache: ReplyCache<&'static str, u32> = ReplyCache::default();
        let place = ListPlace::new(FairQueue::new(1, 16), "them".to_owned());
        let (finish, finished) = oneshot::channel::<()>();
        let slow = async {
            let _ = finished.await;
            json_reply(200, &"early")
        };
        let (mut first, mut second) = (
            std::pin::pin!(cache.list("a", || None, &place, slow)),
            std::pin::pin!(cache.list("a", || None, &place, async { json_reply(200, &"late") })),
        );
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        finish.send(()).unwrap();
        for (asked, answer) in [(first.await, "early"), (second.await, "late")] {
            let body = asked.unwrap().into_body().collect().await.unwrap().to_bytes();
            assert_eq!(serde_json::from_slice::<String>(&body).unwrap(), answer);
        }
    }

    #[tokio::test]
    async fn a_list_is_of_the_state_at_which_it_is_made() {
        let cache: ReplyCache<&'static str, u32> = ReplyCache::default();
        let (queue, state) = (FairQueue::new(1, 16), AtomicU32::new(1));
        let place = ListPlace::new(queue.clone(), "them".to_owned());
        let ask = |answer: &'static str| {
            let now = || Some(state.load(Relaxed));
            cache.list("a", now, &place, async move { json_reply(200, &answer) })
        };
        let held = queue.turn("somebody", Duration::from_secs(1)).await;
        let mut waits = std::pin::pin!(ask("made at 2"));
        assert!(waits.as_mut().now_or_never().is_none());
        state.store(2, Relaxed);
        drop(held);
        drop(waits.await.unwrap());
        let body = ask("made again").await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "\"made at 2\"");
    }

    #[tokio::test]
    async fn answers_are_bounded_in_bytes() {
        let cache: ReplyCache<usize, u32> = ReplyCache::default();
        let large = "a".repeat(200 << 10);
        for number in 0..100 {
            let make = async { json_reply(200, &large) };
            drop(cache.reply(number, Some(1), make).await);
        }
        let (weight, count) = (cache.kept.weight(), cache.kept.len());
        assert!(weight <= BYTES && count > 20, "{weight}");
    }
}
