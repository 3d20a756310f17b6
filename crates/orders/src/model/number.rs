//! The number of an order: short, for people to read out, to type in and to search for.

use std::{fmt, str::FromStr};

use holdfast_types::OrderId;

/// The last sixty bits of an order's id, in Crockford's base 32: `TY2D-H1K8-W98E`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(u64);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a number, hyphens apart.
const DIGITS: u32 = 12;
const BITS: u32 = 5;

impl Number {
    pub(crate) fn of(id: OrderId) -> Self {
        let [.., a, b, c, d, e, f, g, h] = *id.bytes();
        Self(u64::from_be_bytes([a & 0xf, b, c, d, e, f, g, h]))
    }

    /// The sixty bits.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The fifteen hexadecimal digits in which every id of that number ends, hyphens apart.
    pub(crate) fn hex(self) -> String {
        format!("{:015x}", self.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..DIGITS).rev() {
            let digit = usize::try_from(self.0 >> (place * BITS) & 31).unwrap_or_default();
            fmt::Write::write_char(f, char::from(ALPHABET[digit]))?;
            if place % 4 == 0 && place > 0 {
                f.write_str("-")?;
            }
        }
        Ok(())
    }
}

/// As people type it: in small letters, with or without hyphens, with letters that look like digits.
impl FromStr for Number {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected the number of an order, such as TY2D-H1K8-W98E";
        let (mut bits, mut digits) = (0, 0);
        for typed in text.trim().bytes().filter(|byte| *byte != b'-') {
            let letter = match typed.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let digit = ALPHABET.iter().position(|known| *known == letter);
            let digit = digit.and_then(|digit| u64::try_from(digit).ok()).ok_or(EXPECTED)?;
            digits += 1;
            if digits > DIGITS {
                return Err(EXPECTED);
            }
            bits = bits << BITS | digit;
        }
        if digits == DIGITS { Ok(Self(bits)) } else { Err(EXPECTED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_type_it() {
        let id: OrderId = "01890000-0000-7000-b123-456789abcdef".parse().unwrap();
        let number = Number::of(id);
        assert_eq!(
            (number.hex().as_str(), number.to_string().as_str()),
            ("123456789abcdef", "28T5-CY4T-QKFF")
        );
        for typed in ["28T5-CY4T-QKFF", " 28t5cy4tqkff", "28T5CY4T-qkff"] {
            assert_eq!(typed.parse(), Ok(number), "{typed}");
        }
        assert_eq!("OIL0-0000-0000".parse(), "0110-0000-0000".parse::<Number>());
        for wrong in ["", "28T5-CY4T-QKF", "28T5-CY4T-QKFFF", "28T5-CY4T-QKFU", "ä8T5-CY4T-QKFF"] {
            assert!(wrong.parse::<Number>().is_err(), "{wrong}");
        }
    }
}
