//! Names of pictures.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;

/// What browsers show, and what cannot carry a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// GIF.
    Gif,
}

const FORMATS: [(Format, &str, &str); 4] = [
    (Format::Jpeg, "jpg", "image/jpeg"),
    (Format::Png, "png", "image/png"),
    (Format::WebP, "webp", "image/webp"),
    (Format::Gif, "gif", "image/gif"),
];

impl Format {
    /// By the first bytes of the content, whatever it is called.
    #[must_use]
    pub fn of(content: &[u8]) -> Option<Self> {
        match image::guess_format(content).ok()? {
            image::ImageFormat::Jpeg => Some(Self::Jpeg),
            image::ImageFormat::Png => Some(Self::Png),
            image::ImageFormat::WebP => Some(Self::WebP),
            image::ImageFormat::Gif => Some(Self::Gif),
            _ => None,
        }
    }

    const fn row(self) -> (Self, &'static str, &'static str) {
        FORMATS[self as usize]
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        self.row().2
    }
}

/// The SHA-256 of a picture in hexadecimal, and an ending for people and for browsers that save it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    hash: [u8; 32],
    /// What it is.
    pub format: Format,
}

impl Name {
    pub(crate) fn of(content: &[u8], format: Format) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, content).as_ref());
        Self { hash, format }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ".{}", self.format.row().1)
    }
}

/// Accepts only what [`Name`] says: so no name leads out of the folder.
impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, ending) = text.split_once('.').ok_or(())?;
        let format = FORMATS.into_iter().find(|(_, known, _)| *known == ending).ok_or(())?.0;
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != 64 || !digits.bytes().all(is_digit) {
            return Err(());
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| ())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ())?;
        }
        Ok(Self { hash, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (format, ending, _) in FORMATS {
            let name = Name::of(b"content", format);
            assert!(name.to_string().ends_with(ending) && format.row().0 == format);
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let good = Name::of(b"content", Format::Png).to_string();
        for bad in
            ["", "..", "a.png", &good.to_uppercase(), &good.replace("png", "svg"), &good[1..]]
        {
            assert_eq!(bad.parse::<Name>(), Err(()), "{bad}");
        }
    }
}
