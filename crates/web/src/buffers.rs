//! Memory for bodies that are being received: one budget for all of them, and a share of it for each source, so that
//! strangers cannot fill it before anybody knows who they are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use holdfast_types::{Code, Error, Result};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use axum::http::{HeaderMap, header};

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// One source may take this part of the budget.
const SHARE: usize = 4;

/// The budget of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct Buffers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    by_source: HashMap<Box<str>, usize>,
}

/// A body that was received; its memory counts until this is dropped.
#[derive(Debug)]
pub struct Buffered {
    buffers: Buffers,
    source: Box<str>,
    taken: usize,
    /// The body.
    pub bytes: Bytes,
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl Buffers {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, taken: Mutex::default() }))
    }

    /// Reads a body of at most `limit` bytes, within 10 s, for `source`.
    /// Fails with `content-too-large`, `request-timeout`, `malformed`, or `overloaded` when the budget is used up.
    pub async fn read(
        &self,
        mut body: Body,
        headers: &HeaderMap,
        limit: usize,
        source: &str,
    ) -> Result<Buffered> {
        let too_large =
            || Error::new(Code::ContentTooLarge, format!("the body may have {limit} bytes"));
        let late = || Error::new(Code::RequestTimeout, "the body did not arrive within 10 seconds");
        let declared = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut buffered = Buffered {
            buffers: self.clone(),
            source: source.into(),
            taken: 0,
            bytes: Bytes::new(),
        };
        let mut pieces = Pieces::default();
        let deadline = Instant::now() + BODY_TIME;
        while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| late())? {
            let frame = frame.map_err(|error| {
                Error::new(Code::Malformed, "the body did not arrive whole").with_source(error)
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if pieces.len() + data.len() > limit {
                return Err(too_large());
            }
            buffered.take(data.len())?;
            pieces.push(data);
        }
        buffered.bytes = pieces.join();
        Ok(buffered)
    }
}

/// What has arrived: usually in one piece, which is not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
    }

    fn join(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

impl Buffered {
    fn take(&mut self, bytes: usize) -> Result<()> {
        let Inner { limit, taken } = &*self.buffers.0;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = taken.by_source.get(&self.source).copied().unwrap_or(0);
        if taken.bytes + bytes > *limit || of_source + bytes > *limit / SHARE {
            let why = "too many bodies are being received at once: repeat a little later";
            return Err(Error::new(Code::Overloaded, why));
        }
        taken.bytes += bytes;
        *taken.by_source.entry(self.source.clone()).or_default() += bytes;
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        if self.taken == 0 {
            return;
        }
        let mut taken = self.buffers.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.bytes -= self.taken;
        if let Some(of_source) = taken.by_source.get_mut(&self.source) {
            *of_source -= self.taken;
            if *of_source == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(buffers: &Buffers, bytes: usize, source: &str) -> Result<Buffered> {
        let headers = HeaderMap::new();
        buffers.read(Body::from(vec![b'x'; bytes]), &headers, 100, source).await
    }

    #[tokio::test]
    async fn one_source_takes_its_share_and_all_together_the_budget() {
        let buffers = Buffers::new(200);
        let mut held = vec![read(&buffers, 50, "a").await.unwrap()];
        assert_eq!(held[0].bytes.len(), 50);
        assert_eq!(read(&buffers, 1, "a").await.unwrap_err().code(), Code::Overloaded);
        for source in ["b", "c", "d"] {
            held.push(read(&buffers, 50, source).await.unwrap());
        }
        assert_eq!(read(&buffers, 1, "e").await.unwrap_err().code(), Code::Overloaded);
        assert_eq!(read(&buffers, 101, "e").await.unwrap_err().code(), Code::ContentTooLarge);
        drop(held);
        assert!(read(&buffers, 50, "a").await.is_ok());
        let taken = buffers.0.taken.lock().unwrap();
        assert_eq!((taken.bytes, taken.by_source.len()), (0, 0));
    }
}
