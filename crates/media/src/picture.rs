//! Looking at a picture: what it is, how large, and what it looks like small.

use std::io::Cursor;

use bytes::Bytes;
use holdfast_types::{Code, Error, Result};
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
    metadata::Orientation,
};

use crate::{Format, Name, metadata};

/// Pixels that a picture may have: whoever looks at it has as many in memory, whatever the file weighs.
pub const PIXELS: u64 = 25_000_000;
/// The longest side of a thumbnail, in pixels.
pub const SIDE: u32 = 400;
/// The longest side of a picture, in pixels.
const LONGEST: u32 = 16_384;
/// What decoding may take: eight bytes for each pixel.
const MEMORY: u64 = PIXELS * 8;
/// Of a thumbnail, 1 to 100.
const QUALITY: u8 = 80;

/// A picture that was looked at.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its name.
    pub name: Name,
    /// In pixels, as it is shown.
    pub width: u32,
    /// In pixels, as it is shown.
    pub height: u32,
    /// As it came, without what cameras write beside it.
    pub content: Bytes,
    /// The same in small, upright: JPEG, or PNG where something shines through.
    pub thumbnail: Bytes,
}

impl Picture {
    pub(crate) fn read(content: Bytes) -> Result<Self> {
        let unknown = || {
            let why = "expected a picture: JPEG, PNG, WebP or GIF";
            Error::new(Code::UnsupportedMediaType, why)
        };
        let format = Format::of(&content).ok_or_else(unknown)?;
        let (image, orientation) = decode(&content).map_err(refuse)?;
        let content = metadata::without(content, format, orientation)
            .map_err(|error| Error::invalid("#", format!("the picture cannot be read: {error}")))?;
        let (width, height) = (image.width(), image.height());
        let thumbnail = match width.max(height) <= SIDE {
            true => content.clone(),
            false => shrink(&image).map_err(Error::internal)?,
        };
        Ok(Self { name: Name::of(&content, format), width, height, content, thumbnail })
    }
}

/// The pixels, the right way up, and how they were turned for that: cameras turn a picture by a note beside it (Exif, orientation).
fn decode(content: &[u8]) -> image::ImageResult<(DynamicImage, Orientation)> {
    let mut reader = ImageReader::new(Cursor::new(content)).with_guessed_format()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LONGEST), Some(LONGEST));
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS {
        let kind = image::error::LimitErrorKind::DimensionError;
        return Err(image::ImageError::Limits(image::error::LimitError::from_kind(kind)));
    }
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok((image, orientation))
}

fn refuse(error: image::ImageError) -> Error {
    let why = match error {
        image::ImageError::Limits(_) => format!(
            "the picture is too large: expected at most {} million pixels, {LONGEST} on a side",
            PIXELS / 1_000_000
        ),
        other => format!("the picture cannot be read: {other}"),
    };
    Error::invalid("#", why)
}

fn shrink(image: &DynamicImage) -> image::ImageResult<Bytes> {
    let small = image.thumbnail(SIDE, SIDE);
    let mut content = Cursor::new(Vec::new());
    match small.color().has_alpha() {
        true => small.to_rgba8().write_to(&mut content, ImageFormat::Png)?,
        false => small
            .to_rgb8()
            .write_with_encoder(JpegEncoder::new_with_quality(&mut content, QUALITY))?,
    }
    Ok(content.into_inner().into())
}
