//! Lookups that travel together. While one query is on its way the next keys gather, so a thousand readers at once cost
//! a few queries; a lone reader waits for nobody. Nothing is remembered: a query begins after all who asked had asked,
//! so what it tells is never older than what they could know.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
    sync::Arc,
};

use holdfast_types::{Code, Error, Result};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Readers that may wait.
const QUEUE: usize = 8192;
/// Queries on their way at a time.
const QUERIES: usize = 2;
/// Keys of one query.
const KEYS: usize = 256;

type Asked<K, V> = (K, oneshot::Sender<Result<Option<V>>>);

/// Looks values up by key, many at once. Clones of a value go to all who asked for it.
pub struct BatchedLoader<K, V>(mpsc::Sender<Asked<K, V>>);

impl<K, V> fmt::Debug for BatchedLoader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchedLoader").finish_non_exhaustive()
    }
}

impl<K, V> BatchedLoader<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Looks up with `fetch`, which gets each key once.
    pub fn new<F>(fetch: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<HashMap<K, V>>> + Send,
    {
        let (queue, asked) = mpsc::channel(QUEUE);
        let (asked, fetch) = (Arc::new(Mutex::new(asked)), Arc::new(fetch));
        for _ in 0..QUERIES {
            let (asked, fetch) = (Arc::clone(&asked), Arc::clone(&fetch));
            tokio::spawn(async move {
                while let Some(waiting) = gather(&asked).await {
                    answer(waiting, &*fetch).await;
                }
            });
        }
        Self(queue)
    }

    /// The value of `key`. Refuses with `overloaded` when too many wait.
    pub async fn get(&self, key: K) -> Result<Option<V>> {
        let (reply, answer) = oneshot::channel();
        let overloaded = |_| Error::new(Code::Overloaded, "too many lookups are waiting: repeat");
        self.0.try_send((key, reply)).map_err(overloaded)?;
        answer.await.map_err(Error::internal)?
    }
}

/// All who wait, up to the limit of a query; `None` when nobody can ask any more.
async fn gather<K, V>(asked: &Mutex<mpsc::Receiver<Asked<K, V>>>) -> Option<Vec<Asked<K, V>>> {
    let mut waiting = Vec::new();
    let count = asked.lock().await.recv_many(&mut waiting, KEYS).await;
    (count > 0).then_some(waiting)
}

/// One query for all who wait. Who has gone hears nothing.
async fn answer<K, V, F>(waiting: Vec<Asked<K, V>>, fetch: &(impl Fn(Vec<K>) -> F + Sync))
where
    K: Copy + Eq + Hash,
    V: Clone,
    F: Future<Output = Result<HashMap<K, V>>>,
{
    let mut keys: Vec<K> = Vec::with_capacity(waiting.len());
    let mut seen = HashSet::with_capacity(waiting.len());
    keys.extend(waiting.iter().map(|(key, _)| *key).filter(|key| seen.insert(*key)));
    let found = fetch(keys).await;
    for (key, reply) in waiting {
        let _ = reply.send(match &found {
            Ok(values) => Ok(values.get(&key).cloned()),
            Err(error) => Err(error.copy()),
        });
    }
}
