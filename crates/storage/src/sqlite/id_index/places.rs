//! Ids that are made of columns, in Rust and in SQL alike.

use aws_lc_rs::digest;
use rusqlite::{Connection, functions::FunctionFlags};

use super::Id;

/// How SQL calls [`place`].
pub(super) const PLACE: &str = "holdfast_place";
/// Bytes of a text's hash. Two texts may share it: whoever fetches a row looks whether it is meant.
const HASH: usize = 5;
/// Bytes of a time, and of a row.
const TIME: usize = 6;
const ROW: usize = 5;

/// Where a row stands among all of the same text: the newest first, by a time in milliseconds.
#[must_use]
pub fn place(text: &str, at: i64, seq: i64) -> Id {
    let mut place = places_of(text, at).0;
    place[HASH + TIME..].copy_from_slice(&last_bytes::<ROW>(seq));
    place
}

/// The first place of all that are as old as `at` or older, and the last place of that text.
#[must_use]
pub fn places_of(text: &str, at: i64) -> (Id, Id) {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let (mut first, mut last) = (Id::default(), [0xff; 16]);
    first[..HASH].copy_from_slice(&hash.as_ref()[..HASH]);
    last[..HASH].copy_from_slice(&hash.as_ref()[..HASH]);
    first[HASH..HASH + TIME].copy_from_slice(&last_bytes::<TIME>(!at));
    (first, last)
}

/// An id with its second half before its first.
#[must_use]
pub fn swapped(id: &Id) -> Id {
    u128::from_be_bytes(*id).rotate_left(64).to_be_bytes()
}

fn last_bytes<const COUNT: usize>(number: i64) -> [u8; COUNT] {
    let bytes = number.to_be_bytes();
    let mut last = [0; COUNT];
    last.copy_from_slice(&bytes[bytes.len() - COUNT..]);
    last
}

/// Gives SQL `holdfast_place(text, at, seq)`, NULL where there is no text, and `holdfast_swapped(id)`.
pub(in crate::sqlite) fn define(db: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function(PLACE, 3, flags, |columns| {
        let text: Option<String> = columns.get(0)?;
        let (at, seq) = (columns.get(1)?, columns.get(2)?);
        Ok(text.map(|text| place(&text, at, seq)))
    })?;
    db.create_scalar_function("holdfast_swapped", 1, flags, |columns| {
        Ok(swapped(&columns.get::<Id>(0)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_text_stand_first() {
        let places = [(9, 1), (9, 2), (8, 7), (0, 3)].map(|(at, seq)| place("a@b", at, seq));
        assert!(places.is_sorted());
        let (first, last) = places_of("a@b", 8);
        assert!(places[1] < first && first < places[2] && places[3] < last);
        let other = place("b@a", 8, 7);
        assert!(other < first || other > last);
    }

    #[test]
    fn sql_makes_the_same_ids() {
        let db = Connection::open_in_memory().unwrap();
        define(&db).unwrap();
        let id: Id = std::array::from_fn(|place| u8::try_from(place).unwrap());
        let sql =
            "SELECT holdfast_place('a@b', 8, 7), holdfast_swapped(?1), holdfast_place(NULL, 8, 7)";
        let made: (Id, Id, Option<Id>) =
            db.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        assert_eq!(made, (place("a@b", 8, 7), swapped(&id), None));
        assert_eq!((swapped(&id)[0], swapped(&swapped(&id))), (8, id));
    }
}
