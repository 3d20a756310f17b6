//! What one account of Stripe holds: tables, ids and the events that tell of them.

use std::{collections::HashMap, iter};

use holdfast_types::{Clock, Random};
use serde_json::{Value, json};

use super::{
    charges::Charge, intents::Intent, keys::Keys, params::Params, refunds::Refund, refusal::Refusal,
};

/// Items of a page when nobody says, and at most.
const PAGE: i64 = 10;
const PAGE_MAX: i64 = 100;
/// Characters of an id.
const ID_CHARS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Something with an id and a time.
pub(super) trait Row {
    /// What it is called in its own `object`.
    const OBJECT: &'static str;
    /// Its id.
    fn id(&self) -> &str;
    /// When it was made, in seconds.
    fn created(&self) -> i64;
    /// As it is sent.
    fn wire(&self) -> Value;
}

/// Rows in the order in which they were made.
#[derive(Debug)]
pub(super) struct Table<T> {
    rows: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), places: HashMap::new() }
    }
}

impl<T: Row + Clone> Table<T> {
    /// A copy of the row of that id, which an address names.
    pub(super) fn named(&self, id: &str, param: &str) -> Result<T, Refusal> {
        self.get(id).cloned().ok_or_else(|| Refusal::not_found(T::OBJECT, id, param))
    }

    /// The row of that id.
    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.places.get(id).and_then(|place| self.rows.get(*place))
    }

    /// Puts a row in the place of its earlier self, or at the end.
    pub(super) fn put(&mut self, row: T) {
        match self.places.get(row.id()) {
            Some(place) => self.rows[*place] = row,
            None => {
                self.places.insert(row.id().to_owned(), self.rows.len());
                self.rows.push(row);
            }
        }
    }

    /// All of them, the first first.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.iter()
    }

    /// One page of those that pass, the newest first.
    pub(super) fn page(
        &self,
        params: &Params,
        url: &str,
        passes: impl Fn(&T) -> bool,
    ) -> Result<Value, Refusal> {
        let limit = params.integer("limit")?.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Refusal::invalid("limit", "limit must be between 1 and 100"));
        }
        let limit = usize::try_from(limit).unwrap_or(1);
        let rows: Vec<&T> = self.all().rev().filter(|row| passes(row)).collect();
        let place = |param: &str| match params.text(param) {
            None => Ok(None),
            Some(id) => {
                let place = rows.iter().position(|row| row.id() == id);
                place.map(Some).ok_or_else(|| Refusal::no_such(T::OBJECT, id, param))
            }
        };
        let (range, has_more) = match (place("starting_after")?, place("ending_before")?) {
            (_, Some(end)) => (end.saturating_sub(limit)..end, end > limit),
            (start, None) => {
                let start = start.map_or(0, |start| start + 1);
                let end = rows.len().min(start + limit);
                (start..end, end < rows.len())
            }
        };
        let data: Vec<Value> = rows[range].iter().map(|row| row.wire()).collect();
        Ok(json!({"object": "list", "data": data, "has_more": has_more, "url": url}))
    }
}

/// Something that happened, as its subject was then.
#[derive(Debug)]
pub(super) struct Event {
    /// What happened.
    pub(super) kind: &'static str,
    /// The subject.
    pub(super) object: Value,
}

/// An account. Every operation either is refused or is whole.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) intents: Table<Intent>,
    pub(super) charges: Table<Charge>,
    pub(super) refunds: Table<Refund>,
    pub(super) keys: Keys,
    /// Told since they were last taken, in order.
    pub(super) events: Vec<Event>,
    clock: Clock,
    random: Random,
}

impl Account {
    /// An empty account.
    pub(super) fn new(clock: Clock, random: Random) -> Self {
        Self {
            intents: Table::default(),
            charges: Table::default(),
            refunds: Table::default(),
            keys: Keys::default(),
            events: Vec::new(),
            clock,
            random,
        }
    }

    /// Now, in seconds.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_seconds()
    }

    /// A new id.
    pub(super) fn id(&self, prefix: &str) -> String {
        let letter = |byte: u8| char::from(ID_CHARS[usize::from(byte) % ID_CHARS.len()]);
        let letters = self.random.bytes::<24>().into_iter().map(letter);
        prefix.chars().chain(iter::once('_')).chain(letters).collect()
    }

    /// Tells of something.
    pub(super) fn tell(&mut self, kind: &'static str, row: &impl Row) {
        self.events.push(Event { kind, object: row.wire() });
    }

    /// Puts what `expand[]` names in the place of its id.
    pub(super) fn expand(&self, mut value: Value, params: &Params) -> Value {
        for path in params.list("expand") {
            match path.strip_prefix("data.") {
                None => self.expand_field(&mut value, &path),
                Some(name) => {
                    let items = value["data"].as_array_mut().into_iter().flatten();
                    items.for_each(|item| self.expand_field(item, name));
                }
            }
        }
        value
    }

    fn expand_field(&self, value: &mut Value, name: &str) {
        let Some(field) = value.get_mut(name) else { return };
        let id = field.as_str().unwrap_or_default();
        let found = match id.split('_').next() {
            Some("pi") => self.intents.get(id).map(Row::wire),
            Some("ch") => self.charges.get(id).map(Row::wire),
            _ => None,
        };
        if let Some(found) = found {
            *field = found;
        }
    }
}

/// Whether something of that time passes `created[gte]` and its like.
pub(super) fn is_in_time(params: &Params, created: i64) -> Result<bool, Refusal> {
    let bound = |name: &str| params.integer(&format!("created[{name}]"));
    let exact = params.integer("created")?.is_none_or(|time| created == time);
    let above = bound("gt")?.is_none_or(|time| created > time)
        && bound("gte")?.is_none_or(|time| created >= time);
    let below = bound("lt")?.is_none_or(|time| created < time)
        && bound("lte")?.is_none_or(|time| created <= time);
    Ok(exact && above && below)
}
