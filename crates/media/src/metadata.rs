//! What cameras and programs write beside a picture: where and when it was taken, with what, by whom. A shop shows pictures
//! to everybody, and merchants do not know that it is there. What is needed to show a picture is kept, and nothing else:
//! nobody can list what is not.

mod gif;
mod jpeg;

use bytes::Bytes;
use image::metadata::Orientation;
use img_parts::{
    ImageEXIF,
    jpeg::Jpeg,
    png::Png,
    riff::{RiffChunk, RiffContent},
    webp::WebP,
};

use crate::Format;

/// Pixels, their colours, and frames (PNG 3rd edition, §11).
const OF_PNG: [&[u8; 4]; 19] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
    b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];
/// The same (RFC 9649).
const OF_WEBP: [&[u8; 4]; 7] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
/// Among the features that `VP8X` announces: Exif, and XMP.
const EXIF: u8 = 0b1000;
const XMP: u8 = 0b0100;

/// The picture without what stands beside it, but for which way is up and how its colours are meant. Not one pixel is coded anew. What
/// cannot be taken apart is not taken in: nobody could say what is in it.
pub(crate) fn without(
    content: Bytes,
    format: Format,
    orientation: Orientation,
) -> img_parts::Result<Bytes> {
    let exif = (orientation != Orientation::NoTransforms).then(|| turned(orientation));
    match format {
        Format::Gif => gif::without(&content).map(Bytes::from).ok_or(img_parts::Error::Truncated),
        Format::Jpeg => {
            let alone = jpeg::without(&content).ok_or(img_parts::Error::Truncated)?;
            let mut jpeg = Jpeg::from_bytes(alone.into())?;
            jpeg.set_exif(exif);
            Ok(jpeg.encoder().bytes())
        }
        Format::Png => {
            let mut png = Png::from_bytes(content)?;
            png.chunks_mut().retain(|chunk| OF_PNG.contains(&&chunk.kind()));
            png.set_exif(exif);
            Ok(png.encoder().bytes())
        }
        Format::WebP => {
            let mut webp = WebP::from_bytes(content)?;
            webp.chunks_mut().retain(|chunk| OF_WEBP.contains(&&chunk.id()));
            let features = if exif.is_some() { EXIF } else { 0 };
            webp.set_exif(exif);
            announce(&mut webp, features);
            Ok(webp.encoder().bytes())
        }
    }
}

/// Says which of Exif and XMP there is, where that is said at all.
fn announce(webp: &mut WebP, features: u8) {
    for chunk in webp.chunks_mut().iter_mut().filter(|chunk| &chunk.id() == b"VP8X") {
        let Some(mut header) = chunk.content().data().map(|data| data.to_vec()) else { continue };
        if let Some(first) = header.first_mut() {
            *first = *first & !(EXIF | XMP) | features;
        }
        *chunk = RiffChunk::new(chunk.id(), RiffContent::Data(header.into()));
    }
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

    use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage};
    use img_parts::{DynImage, ImageICC, jpeg::JpegSegment, png::PngChunk};

    use super::*;

    const PLACE: &[u8] = b"51.5074 N, 0.1278 W";
    const FORMATS: [(Format, ImageFormat); 3] = [
        (Format::Jpeg, ImageFormat::Jpeg),
        (Format::Png, ImageFormat::Png),
        (Format::WebP, ImageFormat::WebP),
    ];

    fn drawn(format: ImageFormat) -> Bytes {
        let mut content = Cursor::new(Vec::new());
        let image = RgbImage::from_fn(32, 16, |x, _| Rgb([u8::try_from(x * 8).unwrap(), 90, 90]));
        DynamicImage::from(image).write_to(&mut content, format).unwrap();
        content.into_inner().into()
    }

    /// A picture with a place wherever one can stand.
    fn taken(format: ImageFormat, orientation: Orientation) -> Bytes {
        let mut image = DynImage::from_bytes(drawn(format)).unwrap().unwrap();
        image.set_exif(Some([&turned(orientation), PLACE].concat().into()));
        image.set_icc_profile(Some(Bytes::from_static(b"a colour profile")));
        let place = Bytes::from_static(PLACE);
        match &mut image {
            DynImage::Jpeg(jpeg) => {
                for marker in [0xe1, 0xe2, 0xe3, 0xe6, 0xeb, 0xed, 0xef, 0xfe] {
                    let segment = JpegSegment::new_with_contents(marker, place.clone());
                    jpeg.segments_mut().insert(1, segment);
                }
            }
            DynImage::Png(png) => {
                for kind in [b"tEXt", b"iTXt", b"caBX", b"prIv"] {
                    png.chunks_mut().insert(1, PngChunk::new(*kind, place.clone()));
                }
            }
            DynImage::WebP(webp) => {
                for id in [*b"XMP ", *b"priv"] {
                    let chunk = RiffChunk::new(id, RiffContent::Data(place.clone()));
                    webp.chunks_mut().push(chunk);
                }
            }
        }
        let content = image.encoder().bytes();
        match format {
            // As motion photos have it: more behind the end of the picture.
            ImageFormat::Jpeg => [&content[..], PLACE].concat().into(),
            _ => content,
        }
    }

    fn has_place(content: &[u8]) -> bool {
        content.windows(PLACE.len()).any(|window| window == PLACE)
    }

    fn pixels(content: &[u8]) -> RgbImage {
        image::load_from_memory(content).unwrap().into_rgb8()
    }

    #[test]
    fn a_place_goes_and_the_right_way_up_stays() {
        for (format, of_image) in FORMATS {
            for orientation in [Orientation::Rotate90, Orientation::NoTransforms] {
                let before = taken(of_image, orientation);
                assert!(has_place(&before), "{format:?}: the test sees it");
                let picture = crate::Picture::read(before.clone()).unwrap();
                assert!(!has_place(&picture.content), "{format:?}");
                let mut after = ImageReader::new(Cursor::new(&picture.content[..]))
                    .with_guessed_format()
                    .unwrap()
                    .into_decoder()
                    .unwrap();
                assert_eq!(after.orientation().unwrap(), orientation, "{format:?}");
                assert_eq!(after.icc_profile().unwrap().unwrap(), b"a colour profile");
                let is_turned = orientation == Orientation::Rotate90;
                let as_shown = if is_turned { (16, 32) } else { (32, 16) };
                assert_eq!((picture.width, picture.height), as_shown, "{format:?}");
                assert_eq!(pixels(&picture.content), pixels(&before), "{format:?}");
                let again = crate::Picture::read(picture.content.clone()).unwrap();
                assert_eq!(again.name, picture.name, "{format:?}: there is nothing left to take");
            }
        }
    }

    #[test]
    fn features_that_are_gone_are_not_announced() {
        let webp = |orientation| {
            let picture = crate::Picture::read(taken(ImageFormat::WebP, orientation)).unwrap();
            let webp = WebP::from_bytes(picture.content).unwrap();
            webp.chunk_by_id(*b"VP8X").unwrap().content().data().unwrap()[0] & (EXIF | XMP)
        };
        assert_eq!(webp(Orientation::NoTransforms), 0);
        assert_eq!(webp(Orientation::Rotate90), EXIF);
    }

    #[test]
    fn comments_of_an_animation_go() {
        let plain = drawn(ImageFormat::Gif);
        // Behind the header, the screen and its colours.
        let colours = 3 << (1 + usize::from(plain[10] & 7));
        let begin = if plain[10] & 0x80 == 0 { 13 } else { 13 + colours };
        let length = [u8::try_from(PLACE.len()).unwrap()];
        let comment = [b"\x21\xfe".as_slice(), &length, PLACE, b"\0"].concat();
        let xmp = [b"\x21\xff\x0bXMP DataXMP".as_slice(), &length, PLACE, b"\0"].concat();
        let forever = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0".as_slice();
        let before = [&plain[..begin], &comment, &xmp, forever, &plain[begin..], PLACE].concat();
        let picture = crate::Picture::read(before.into()).unwrap();
        assert!(!has_place(&picture.content));
        assert!(picture.content.windows(forever.len()).any(|window| window == forever));
        assert_eq!(pixels(&picture.content), pixels(&plain));
        assert!(gif::without(&plain[..plain.len() - 3]).is_none(), "it is cut");
    }
}
