//! What cameras and programs write beside a picture: where and when it was taken, with what, by whom. A shop shows pictures
//! to everybody, and merchants do not know that it is there.

use bytes::Bytes;
use image::metadata::Orientation;
use img_parts::{
    DynImage, ImageEXIF,
    jpeg::{Jpeg, markers},
    png::Png,
    webp::WebP,
};

use crate::Format;

/// Text and times (PNG 3rd edition, §11.3), and Exif.
const OF_PNG: [[u8; 4]; 5] = [*b"eXIf", *b"tEXt", *b"zTXt", *b"iTXt", *b"tIME"];
const OF_WEBP: [[u8; 4]; 2] = [*b"EXIF", *b"XMP "];

/// The picture without what stands beside it, but for which way is up and how its colours are meant. Not one pixel is coded anew. What
/// cannot be taken apart is not taken in: nobody could say what is in it.
pub(crate) fn without(
    content: Bytes,
    format: Format,
    orientation: Orientation,
) -> img_parts::Result<Bytes> {
    let mut image = match format {
        // Comments of a GIF are what a program says of itself.
        Format::Gif => return Ok(content),
        Format::Jpeg => {
            let mut jpeg = Jpeg::from_bytes(content)?;
            // Exif and XMP, IPTC, comments.
            let leaves = [markers::APP1, markers::APP13, markers::COM];
            jpeg.segments_mut().retain(|segment| !leaves.contains(&segment.marker()));
            DynImage::Jpeg(jpeg)
        }
        Format::Png => {
            let mut png = Png::from_bytes(content)?;
            png.chunks_mut().retain(|chunk| !OF_PNG.contains(&chunk.kind()));
            DynImage::Png(png)
        }
        Format::WebP => {
            let mut webp = WebP::from_bytes(content)?;
            webp.chunks_mut().retain(|chunk| !OF_WEBP.contains(&chunk.id()));
            DynImage::WebP(webp)
        }
    };
    if orientation != Orientation::NoTransforms {
        image.set_exif(Some(turned(orientation)));
    }
    Ok(image.encoder().bytes())
}

/// Exif that says which way is up, and nothing else (TIFF 6.0: one directory with one entry, Orientation).
fn turned(orientation: Orientation) -> Bytes {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation.to_exif(), 0, 0, 0, 0, 0, 0]);
    exif.into()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage};
    use img_parts::ImageICC;

    use super::*;

    const SECRET: &[u8] = b"51.5074 N, 0.1278 W";

    /// A picture that lies on its side, with a place, a text and a colour profile beside it.
    fn taken(format: ImageFormat) -> Bytes {
        let mut content = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(32, 16, |x, _| Rgb([u8::try_from(x * 8).unwrap(), 90, 90]));
        image.write_to(&mut content, format).unwrap();
        let mut image = DynImage::from_bytes(content.into_inner().into()).unwrap().unwrap();
        let exif = [&turned(Orientation::Rotate90), SECRET].concat();
        image.set_exif(Some(exif.into()));
        image.set_icc_profile(Some(Bytes::from_static(b"a colour profile")));
        image.encoder().bytes()
    }

    fn contains(content: &[u8], part: &[u8]) -> bool {
        content.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn a_place_goes_and_the_right_way_up_stays() {
        let formats = [
            (Format::Jpeg, ImageFormat::Jpeg),
            (Format::Png, ImageFormat::Png),
            (Format::WebP, ImageFormat::WebP),
        ];
        for (format, of_image) in formats {
            let before = taken(of_image);
            assert!(contains(&before, SECRET), "{format:?}: the test sees it");
            let picture = crate::Picture::read(before.clone()).unwrap();
            assert!(!contains(&picture.content, SECRET), "{format:?}");
            assert_eq!((picture.width, picture.height), (16, 32), "{format:?}: as it is shown");
            let mut after = ImageReader::new(Cursor::new(&picture.content[..]))
                .with_guessed_format()
                .unwrap()
                .into_decoder()
                .unwrap();
            assert_eq!(after.orientation().unwrap(), Orientation::Rotate90, "{format:?}");
            assert_eq!(after.icc_profile().unwrap().unwrap(), b"a colour profile", "{format:?}");
            let pixels = |content: &[u8]| image::load_from_memory(content).unwrap().into_rgb8();
            assert_eq!(pixels(&picture.content), pixels(&before), "{format:?}");
            let again = crate::Picture::read(picture.content.clone()).unwrap();
            assert_eq!(again.name, picture.name, "{format:?}: there is nothing left to take");
        }
    }
}
