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

use crate::Reply;

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
pub struct ReplyCache<K, G>(Cache<K, Arc<Kept<G>>, Weight>);

#[derive(Debug)]
struct Kept<G> {
    state: G,
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
        Self(Cache::with_weighter(1000, BYTES, Weight))
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
        let Some(state) = now else { return make.await };
        if let Some(kept) = self.0.get(&key).filter(|kept| kept.state == state) {
            return Ok(kept.response());
        }
        let (parts, body) = make.await?.into_parts();
        if parts.status != StatusCode::OK {
            return Ok(Response::from_parts(parts, body));
        }
        let body = body.collect().await.map_err(Error::internal)?.to_bytes();
        // As long as it is, and not as long as what it was written into.
        let body = Bytes::copy_from_slice(&body);
        let kept = Arc::new(Kept { state, headers: parts.headers, body });
        self.0.insert(key, Arc::clone(&kept));
        Ok(kept.response())
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
    use super::*;
    use crate::json_reply;

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
    async fn answers_are_bounded_in_bytes() {
        let cache: ReplyCache<usize, u32> = ReplyCache::default();
        let large = "a".repeat(200 << 10);
        for number in 0..100 {
            let make = async { json_reply(200, &large) };
            drop(cache.reply(number, Some(1), make).await);
        }
        assert!(cache.0.weight() <= BYTES && cache.0.len() > 20, "{}", cache.0.weight());
    }
}
