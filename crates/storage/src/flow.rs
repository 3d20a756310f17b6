//! Records that come out of a database one after the other: however many there are, a few hundred are in memory.

use std::{fmt, pin::Pin};

use futures_util::stream::{self, BoxStream, Peekable, Stream, StreamExt, TryStreamExt};
use holdfast_types::{Code, Error, Result};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Records that travel together. Two such chunks are on their way at most.
const CHUNK: usize = 100;

/// A record, or what is known of one that cannot be read.
pub type Entry<T> = Result<T, Damage>;

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is one of, such as `order`.
    pub kind: &'static str,
    /// Which one.
    pub id: Uuid,
    /// What is wrong with it.
    pub why: String,
}

impl Damage {
    /// Says that the record `id` of that kind cannot be read.
    pub fn new(kind: &'static str, id: Uuid, error: impl Into<Error>) -> Self {
        Self { kind, id, why: error.into().cause() }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} cannot be read: {}", self.kind, self.id, self.why)
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::new(Code::Internal, damage.to_string())
    }
}

/// Records of one snapshot of a database, in order. Who drops it ends the reading.
pub struct Flow<T>(Pin<Box<Peekable<BoxStream<'static, Result<T>>>>>);

impl<T> fmt::Debug for Flow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Flow<T> {
    /// The two ends.
    pub(crate) fn new() -> (Sink<T>, Self) {
        let (sender, chunks) = mpsc::channel(1);
        let chunks = stream::unfold(chunks, async |mut chunks: mpsc::Receiver<Result<Vec<T>>>| {
            let chunk = chunks.recv().await?;
            Some((chunk.map(|records| stream::iter(records.into_iter().map(Ok))), chunks))
        });
        (Sink { chunks: sender, chunk: Vec::with_capacity(CHUNK) }, Self::of(chunks.try_flatten()))
    }

    fn of(records: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self(Box::pin(records.boxed().peekable()))
    }

    /// Waits until the snapshot has been taken.
    pub(crate) async fn begun(mut self) -> Result<Self> {
        self.0.as_mut().peek().await;
        Ok(self)
    }

    /// The same records in another shape.
    #[must_use]
    pub fn map<U: Send + 'static>(self, shape: fn(T) -> U) -> Flow<U> {
        Flow::of(self.0.map(move |record| record.map(shape)))
    }

    /// The next record.
    pub async fn next(&mut self) -> Result<Option<T>> {
        self.0.next().await.transpose()
    }

    /// The next record, which stays where it is.
    pub async fn peek(&mut self) -> Result<Option<&T>> {
        if let Some(Err(error)) = self.0.as_mut().next_if(Result::is_err).await {
            return Err(error);
        }
        Ok(self.0.as_mut().peek().await.and_then(|record| record.as_ref().ok()))
    }
}

/// Where a reader of the database puts what it finds.
#[derive(Debug)]
pub struct Sink<T> {
    chunks: mpsc::Sender<Result<Vec<T>>>,
    chunk: Vec<T>,
}

impl<T> Sink<T> {
    /// Passes a record on, when there is room. Fails when nobody wants more.
    pub async fn put(&mut self, record: T) -> Result<()> {
        match self.take(record) {
            Some(chunk) => self.chunks.send(Ok(chunk)).await.map_err(|_| nobody()),
            None => Ok(()),
        }
    }

    /// The same on a thread for blocking work.
    pub fn put_blocking(&mut self, record: T) -> Result<()> {
        match self.take(record) {
            Some(chunk) => self.chunks.blocking_send(Ok(chunk)).map_err(|_| nobody()),
            None => Ok(()),
        }
    }

    fn take(&mut self, record: T) -> Option<Vec<T>> {
        self.chunk.push(record);
        let is_full = self.chunk.len() == CHUNK;
        is_full.then(|| std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK)))
    }

    /// Passes the rest on, or says what went wrong. Who has gone need not hear it.
    pub(crate) async fn end(self, done: Result<()>) {
        let _ = self.chunks.send(done.map(|()| self.chunk)).await;
    }

    /// The same on a thread for blocking work.
    pub(crate) fn end_blocking(self, done: Result<()>) {
        let _ = self.chunks.blocking_send(done.map(|()| self.chunk));
    }
}

fn nobody() -> Error {
    Error::internal("nobody reads on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn records_come_in_order_and_errors_last() {
        let (mut sink, flow) = Flow::new();
        let reading = tokio::spawn(async move {
            for number in 0..CHUNK * 3 + 7 {
                sink.put(number).await.unwrap();
            }
            sink.end(Ok(())).await;
        });
        let mut flow = flow.begun().await.unwrap();
        assert_eq!(flow.peek().await.unwrap(), Some(&0));
        for number in 0..CHUNK * 3 + 7 {
            assert_eq!(flow.next().await.unwrap(), Some(number));
        }
        assert_eq!(flow.next().await.unwrap(), None);
        assert_eq!(flow.peek().await.unwrap(), None);
        reading.await.unwrap();
        let (sink, mut flow) = Flow::<()>::new();
        sink.end(Err(Error::internal("torn"))).await;
        assert!(flow.peek().await.is_err());
    }

    #[tokio::test]
    async fn reading_ends_when_nobody_wants_more() {
        let (mut sink, flow) = Flow::new();
        drop(flow);
        let mut put = 0;
        while sink.put(put).await.is_ok() {
            put += 1;
        }
        assert!(put < CHUNK);
    }
}
