//! JPEG (ITU-T T.81): tables, frames and scans are kept, and of the rest what says how colours are meant. What follows the end of the
//! picture, such as the film of a motion photo, goes.

/// Begins every marker.
const P: u8 = 0xff;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// The picture alone; nothing where it cannot be taken apart.
pub(super) fn without(content: &[u8]) -> Option<Vec<u8>> {
    let mut rest = content.strip_prefix(&[P, SOI])?;
    let mut kept = vec![P, SOI];
    loop {
        rest = rest.strip_prefix(&[P])?;
        // Any number of bytes may fill the place before a marker.
        let fill = rest.iter().take_while(|byte| **byte == P).count();
        let (marker, after) = rest[fill..].split_first()?;
        if *marker == EOI {
            kept.extend([P, EOI]);
            return Some(kept);
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let segment = after.get(..length)?;
        if is_kept(*marker, segment.get(2..)?) {
            kept.extend([P, *marker]);
            kept.extend(segment);
        }
        rest = &after[length..];
        if *marker == SOS {
            let coded = coded(rest)?;
            kept.extend(&rest[..coded]);
            rest = &rest[coded..];
        }
    }
}

fn is_kept(marker: u8, contents: &[u8]) -> bool {
    match marker {
        // Frames and tables; scans and more tables.
        0xc0..=0xcf | SOS..=0xdf => true,
        // APP0, APP2 and APP14.
        0xe0 => contents.starts_with(b"JFIF\0"),
        0xe2 => contents.starts_with(b"ICC_PROFILE\0"),
        0xee => contents.starts_with(b"Adobe"),
        _ => false,
    }
}

/// How many bytes until the next marker: within what is coded, a zero or the number of a restart follows where one seems to begin.
fn coded(bytes: &[u8]) -> Option<usize> {
    let is_marker = |pair: &[u8]| pair[0] == P && !matches!(pair[1], 0 | 0xd0..=0xd7);
    bytes.windows(2).position(is_marker)
}
