//! Taking pictures in.

use std::time::Duration;

use bytes::Bytes;
use holdfast_media::Picture;
use holdfast_types::{Code, Error, Result, UserId};
use holdfast_web::FairQueue;

use super::Products;

/// Pictures that wait to be looked at, each of which is in memory.
const WAITING: usize = 64;
/// How long one may wait.
const WAIT: Duration = Duration::from_secs(10);

/// Looking at a picture takes a core for a while: one at a time, of each seller in turn.
pub(super) fn turns() -> FairQueue {
    FairQueue::new(1, WAITING)
}

impl Products {
    /// Looks at what `seller` says is a picture, and keeps it.
    pub(crate) async fn keep_picture(&self, seller: UserId, content: Bytes) -> Result<Picture> {
        let turn = self.0.picture_turns.turn(&seller.to_string(), WAIT).await;
        let busy = || Error::new(Code::Overloaded, "too many pictures are waiting: repeat");
        let media = self.media();
        let picture = media.look_at(content, turn.ok_or_else(busy)?).await?;
        media.keep(&picture).await?;
        Ok(picture)
    }
}
