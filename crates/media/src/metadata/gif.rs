//! GIF (version 89a): the screen, its pictures, and how often they are shown. Comments and what programs add go.

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2c;
const TRAILER: u8 = 0x3b;
/// Extensions: when and how a picture is shown, and of applications.
const CONTROL: u8 = 0xf9;
const APPLICATION: u8 = 0xff;
/// Those that say how often an animation is shown.
const LOOPS: [&[u8]; 2] = [b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0"];

/// The pictures alone; nothing where they cannot be taken apart.
pub(super) fn without(content: &[u8]) -> Option<Vec<u8>> {
    let mut rest = content;
    let mut kept = take(&mut rest, 13)?.to_vec();
    kept.extend(take(&mut rest, colours(kept[10]))?);
    loop {
        match take(&mut rest, 1)?[0] {
            TRAILER => {
                kept.push(TRAILER);
                return Some(kept);
            }
            IMAGE => {
                let place = take(&mut rest, 9)?;
                kept.push(IMAGE);
                kept.extend(place);
                // Its colours, and the size of a code.
                kept.extend(take(&mut rest, colours(place[8]) + 1)?);
                kept.extend(blocks(&mut rest)?);
            }
            EXTENSION => {
                let label = take(&mut rest, 1)?[0];
                let said = blocks(&mut rest)?;
                let is_loop = LOOPS.iter().any(|name| said.starts_with(name));
                if label == CONTROL || (label == APPLICATION && is_loop) {
                    kept.extend([EXTENSION, label]);
                    kept.extend(said);
                }
            }
            _ => return None,
        }
    }
}

/// Bytes of a table of colours, by the flags that announce it.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Blocks up to the empty one, with their lengths.
fn blocks<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    loop {
        let block = usize::from(*rest.get(length)?);
        length += 1 + block;
        if block == 0 {
            return take(rest, length);
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}
