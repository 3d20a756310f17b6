//! Pictures: looked at, made small, and kept in a folder or in a bucket.
//!
//! A picture's name is the hash of its content, so whoever has the name has that content for good: it may be cached for ever, is
//! the same from any process, and is kept once however often it comes.

mod location;
mod metadata;
mod name;
mod picture;
mod room;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use holdfast_types::{Code, Error, Result};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use tokio::sync::Semaphore;

pub use location::{Bucket, Location};
pub use name::{Format, Name};
pub use picture::{PIXELS, Picture, SIDE};
use room::Room;

/// Bytes that a picture may have.
pub const PICTURE_BYTES: usize = 4 << 20;
/// Pictures that are read at a time, each of which is in memory as a whole.
const READS: usize = 16;
/// How long a picture may wait until it is read.
const WAIT: Duration = Duration::from_secs(10);

/// Where pictures are kept. Clones share it.
#[derive(Clone, Debug)]
pub struct Media {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    room: Arc<Room>,
    reads: Arc<Semaphore>,
}

/// A picture as it was put in, or made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As it came, without what stood beside it.
    Whole,
    /// At most [`SIDE`] pixels on each side.
    Thumbnail,
}

impl Media {
    /// Opens a place for pictures of `limit` bytes together, without asking whether it can be reached. Refuses with a sentence what is
    /// no place.
    pub fn open(location: &Location, limit: u64) -> Result<Self> {
        let (store, folder) = location.open()?;
        let (room, reads) = (Arc::new(Room::new(limit)), Arc::new(Semaphore::new(READS)));
        Ok(Self { store, folder, room, reads })
    }

    /// Looks at a picture and makes it small. Refuses with `unsupported-media-type` what is none, and with `validation` one that is
    /// too large or damaged. That takes a core, and as much memory as it has pixels: `turn` is kept until it is done, also when nobody
    /// waits for it any more.
    pub async fn look_at(&self, content: Bytes, turn: impl Send + 'static) -> Result<Picture> {
        let look = move || {
            let _turn = turn;
            Picture::read(content)
        };
        tokio::task::spawn_blocking(look).await.map_err(Error::internal)?
    }

    /// Keeps a picture. When this returns, it is safe. Refuses with `storage-full` where pictures have no room left.
    pub async fn keep(&self, picture: &Picture) -> Result<()> {
        if self.is_there(Size::Whole, picture.name).await? {
            return Ok(());
        }
        let bytes = (picture.content.len() + picture.thumbnail.len()) as u64;
        self.room.take(&*self.store, &self.folder, bytes).await?;
        // Whoever is shown the one finds the other.
        self.put(Size::Thumbnail, picture.name, &picture.thumbnail).await?;
        self.put(Size::Whole, picture.name, &picture.content).await
    }

    async fn put(&self, size: Size, name: Name, content: &Bytes) -> Result<()> {
        let put = self.store.put(&self.path(size, name), content.clone().into()).await;
        put.map(|_| ()).map_err(|error| unavailable(&error))
    }

    /// Whether there is a picture of that name.
    pub async fn is_there(&self, size: Size, name: Name) -> Result<bool> {
        match self.store.head(&self.path(size, name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// The picture of that name, if there is one.
    pub async fn find(&self, size: Size, name: Name) -> Result<Option<Bytes>> {
        let busy = |_| Error::new(Code::Overloaded, "too many pictures are asked for: repeat");
        let turn = tokio::time::timeout(WAIT, self.reads.acquire()).await.map_err(busy)?;
        let _turn = turn.map_err(Error::internal)?;
        let found = match self.store.get(&self.path(size, name)).await {
            Ok(found) => found.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        found.map(Some).map_err(|error| unavailable(&error))
    }

    fn path(&self, size: Size, name: Name) -> Path {
        let folder = match size {
            Size::Whole => self.folder.clone(),
            Size::Thumbnail => self.folder.clone().join("thumbnails"),
        };
        folder.join(name.to_string())
    }
}

/// What a bucket says may name keys and accounts: that is for the log.
fn unavailable(error: &object_store::Error) -> Error {
    tracing::error!(%error, "the place for pictures does not answer as it should");
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        let io = found.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull) {
            return Error::new(Code::StorageFull, "there is no room for pictures");
        }
        cause = found.source();
    }
    Error::new(Code::Unavailable, "pictures cannot be kept or read now: repeat")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Bytes {
        let mut content = std::io::Cursor::new(Vec::new());
        let image = image::RgbaImage::from_fn(width, height, |x, y| {
            image::Rgba([u8::try_from(x % 256).unwrap(), u8::try_from(y % 256).unwrap(), 0, 128])
        });
        image.write_to(&mut content, image::ImageFormat::Png).unwrap();
        content.into_inner().into()
    }

    async fn bytes_of(media: &Media, size: Size, name: Name) -> u64 {
        media.find(size, name).await.unwrap().unwrap().len() as u64
    }

    #[tokio::test]
    async fn a_picture_is_kept_once_under_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::of(Bucket::default(), folder.path()).unwrap();
        let media = Media::open(&location, u64::MAX).unwrap();
        let picture = media.look_at(png(900, 600), ()).await.unwrap();
        assert_eq!((picture.width, picture.height), (900, 600));
        assert_eq!(media.find(Size::Whole, picture.name).await.unwrap(), None);
        for _ in 0..2 {
            media.keep(&picture).await.unwrap();
        }
        assert_eq!(media.find(Size::Whole, picture.name).await.unwrap().unwrap(), png(900, 600));
        let small = media.find(Size::Thumbnail, picture.name).await.unwrap().unwrap();
        let small = image::load_from_memory(&small).unwrap();
        assert_eq!((small.width(), small.height()), (SIDE, 267));
        // Another process, or the same after a restart.
        let other = Media::open(&location, u64::MAX).unwrap();
        assert!(other.find(Size::Whole, picture.name).await.unwrap().is_some());
        // With no room left, what is there already may still come again.
        let full = Media::open(&location, 1).unwrap();
        full.keep(&picture).await.unwrap();
        let another = full.look_at(png(8, 8), ()).await.unwrap();
        assert_eq!(full.keep(&another).await.unwrap_err().code(), Code::StorageFull);
        let whole = bytes_of(&media, Size::Whole, picture.name).await;
        let taken = whole + bytes_of(&media, Size::Thumbnail, picture.name).await;
        let small = another.content.len() as u64 * 2;
        let exact = Media::open(&location, taken + small).unwrap();
        exact.keep(&another).await.unwrap();
        let third = exact.look_at(png(9, 9), ()).await.unwrap();
        assert_eq!(exact.keep(&third).await.unwrap_err().code(), Code::StorageFull);
    }

    /// A picture that says that it is so large: whoever does not look at that first decodes it.
    fn claiming(png: &Bytes, width: u32, height: u32) -> Bytes {
        let mut png = img_parts::png::Png::from_bytes(png.clone()).unwrap();
        let head = png.chunks()[0].contents().clone();
        let claim = [&width.to_be_bytes(), &height.to_be_bytes(), &head[8..]].concat();
        png.chunks_mut()[0] = img_parts::png::PngChunk::new(*b"IHDR", claim.into());
        png.encoder().bytes()
    }

    #[tokio::test]
    async fn what_is_no_picture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::of(Bucket::default(), folder.path()).unwrap();
        let media = Media::open(&location, u64::MAX).unwrap();
        let small = png(8, 8);
        let look = async |content: &[u8]| {
            media.look_at(Bytes::copy_from_slice(content), ()).await.map_err(|error| error.code())
        };
        assert_eq!(look(b"").await.unwrap_err(), Code::UnsupportedMediaType);
        assert_eq!(look(b"<svg/>").await.unwrap_err(), Code::UnsupportedMediaType);
        assert_eq!(look(&small[..small.len() / 2]).await.unwrap_err(), Code::Validation);
        let mut bomb = small.to_vec();
        // The width of a PNG, with a checksum that does not fit: nothing is decoded before that is seen.
        bomb[16..20].copy_from_slice(&100_000_u32.to_be_bytes());
        assert_eq!(look(&bomb).await.unwrap_err(), Code::Validation);
        let large = media.look_at(claiming(&small, 6_000, 5_000), ()).await.unwrap_err();
        assert_eq!(large.code(), Code::Validation);
        assert!(large.fields()[0].detail.contains("25 million pixels"), "{large}");
        assert_eq!(look(&small).await.unwrap().thumbnail, small, "it is small already");
    }
}
