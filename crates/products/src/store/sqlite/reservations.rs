//! Reservations: the hot path. Load what a batch names, decide each command in turn, save all changes.

use std::collections::{BTreeSet, HashMap};

use holdfast_storage::sqlite::{Fault, IdIndex};
use holdfast_types::{
    Fingerprint, OrderId, OrderLines, ProductId, Reservation, ReservationState, Result, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Indexes, journal::Journal, rows};
use crate::{
    model::{
        Demand, Earliers, Movement, Numbers, NumbersById, Reservations, Shelf, ShelfItem,
        decide_all,
    },
    store::reserving::{Decide, MovedStock, TakenStock, Taking},
};

/// The integers that the rows of products are keyed by.
type Seqs = HashMap<ProductId, i64>;

pub(super) fn take(
    db: &Connection,
    indexes: &Indexes,
    demand: &Demand,
    now: Timestamp,
) -> Result<Taking, Fault> {
    let (shelf, seqs) = load(db, demand)?;
    let earliers = earliers(db, &indexes.reservations, demand)?;
    let decided = match decide_all(demand, &earliers, shelf, now) {
        Ok(decided) => decided,
        Err(wanted) => return Ok(Taking::Wants(wanted)),
    };
    let reservations = decided.reservations(&demand.commands);
    insert(db, &indexes.reservations, &reservations)?;
    set_states(db, &indexes.reservations, &decided.states())?;
    append(db, &indexes.movements, &seqs, &decided.movements)?;
    update(db, &seqs, decided.numbers.clone())?;
    Ok(Taking::Done(TakenStock::of(decided, demand, &reservations, now)))
}

fn append(
    db: &Connection,
    index: &IdIndex,
    seqs: &Seqs,
    movements: &[(ProductId, Movement)],
) -> Result<(), Fault> {
    let mut journal = Journal::prepare(db, index)?;
    movements.iter().try_for_each(|(product, movement)| journal.append(seqs[product], movement))
}

fn update(
    db: &Connection,
    seqs: &Seqs,
    numbers: impl IntoIterator<Item = (ProductId, Numbers)>,
) -> Result<(), Fault> {
    let mut update = db.prepare_cached(
        "UPDATE stock SET quantity = ?2, reserved = ?3, sequence = ?4 WHERE product = ?1",
    )?;
    for (product, Numbers { quantity, reserved, sequence }) in numbers {
        update.execute((seqs[&product], quantity, reserved, sequence))?;
    }
    Ok(())
}

/// The products that it is about, and the integers that their rows are keyed by.
fn load(db: &Connection, demand: &Demand) -> Result<(Shelf, Seqs), Fault> {
    let mut shelf = Shelf::new();
    let mut seqs = HashMap::new();
    let mut query = db.prepare_cached(
        "SELECT p.seq, p.sku, p.name, p.price, p.currency, p.archived, s.quantity, s.reserved, s.sequence,
                p.opens_at, p.closes_at, p.limit_per_customer
         FROM products p JOIN stock s ON s.product = p.seq WHERE p.id = ?1",
    )?;
    for product in demand.products() {
        if let Some((seq, item)) = query.query_row([product.bytes()], shelf_item).optional()? {
            seqs.insert(product, seq);
            shelf.insert(product, item);
        }
    }
    Ok((shelf, seqs))
}

fn shelf_item(row: &Row<'_>) -> rusqlite::Result<(i64, ShelfItem)> {
    let archived: bool = row.get(5)?;
    let item = ShelfItem {
        sku: row.get(1)?,
        name: row.get(2)?,
        price: rows::money(row, 3)?,
        is_active: !archived,
        sale_window: rows::sale_window(row, 9)?,
        limit_per_customer: row.get(11)?,
        quantity: row.get(6)?,
        reserved: row.get(7)?,
        sequence: row.get(8)?,
    };
    Ok((row.get(0)?, item))
}

/// The reservations of the batch that are there already.
fn earliers(db: &Connection, index: &IdIndex, demand: &Demand) -> Result<Earliers, Fault> {
    let mut earliers = Earliers::new();
    for id in demand.reservations() {
        if let Some(found) = find(db, index, id)? {
            earliers.insert(id, found.try_into()?);
        }
    }
    Ok(earliers)
}

pub(super) fn insert(
    db: &Connection,
    index: &IdIndex,
    reservations: &[Reservation],
) -> Result<(), Fault> {
    let mut insert = db.prepare_cached(
        "INSERT INTO reservations (id, fingerprint, state, lines, claimed, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for Reservation { id, fingerprint, state, lines, claimed, at } in reservations {
        let claimed = claimed.as_ref().map(serde_json::to_string).transpose()?;
        let (state, lines, at) = (state.code(), lines.json(), at.as_millis());
        insert.execute((id.bytes(), fingerprint.0, state, lines, claimed, at))?;
        index.add(db, id.bytes())?;
    }
    Ok(())
}

pub(super) fn move_stock(
    db: &Connection,
    indexes: &Indexes,
    orders: &[OrderId],
    decide: &Decide,
    now: Timestamp,
) -> Result<MovedStock, Fault> {
    let mut reservations = Reservations::new();
    for id in orders {
        if let Some(found) = find(db, &indexes.reservations, *id)? {
            reservations.insert(*id, found);
        }
    }
    let products: BTreeSet<ProductId> = reservations
        .values()
        .flat_map(|reservation| reservation.lines.iter().map(|line| line.product_id))
        .collect();
    let (mut seqs, mut numbers) = (Seqs::new(), NumbersById::new());
    for product in products {
        let (seq, found) = numbers_of(db, product)?;
        seqs.insert(product, seq);
        numbers.insert(product, found);
    }
    let applied = decide(reservations, &numbers)?;
    let messages = applied.messages(&numbers, now);
    set_states(db, &indexes.reservations, &applied.states)?;
    let mut set_lines = db.prepare_cached("UPDATE reservations SET lines = ?2 WHERE seq = ?1")?;
    for (id, lines) in applied.lines {
        let seq = indexes.reservations.find(db, id.bytes())?;
        set_lines.execute((seq, lines.json()))?;
    }
    let mut move_version = db.prepare_cached(
        "UPDATE products SET version = version + ?2, quantity_version = version + ?2, updated_at = ?3 WHERE seq = ?1",
    )?;
    for (product, versions) in &applied.versions {
        move_version.execute((seqs[product], versions, now.as_millis()))?;
    }
    append(db, &indexes.movements, &seqs, &applied.movements)?;
    update(db, &seqs, applied.numbers)?;
    Ok(MovedStock { claims: applied.claims, holds: applied.holds, messages })
}

fn set_states(
    db: &Connection,
    index: &IdIndex,
    states: &[(OrderId, ReservationState)],
) -> Result<(), Fault> {
    if states.is_empty() {
        return Ok(());
    }
    let mut set_state = db.prepare_cached("UPDATE reservations SET state = ?2 WHERE seq = ?1")?;
    for (id, state) in states {
        let seq = index.find(db, id.bytes())?;
        set_state.execute((seq, state.code()))?;
    }
    Ok(())
}

fn numbers_of(db: &Connection, id: ProductId) -> Result<(i64, Numbers), Fault> {
    let mut query = db.prepare_cached(
        "SELECT p.seq, s.quantity, s.reserved, s.sequence FROM products p JOIN stock s ON s.product = p.seq WHERE p.id = ?1",
    )?;
    Ok(query.query_row([id.bytes()], |row| {
        let numbers =
            Numbers { quantity: row.get(1)?, reserved: row.get(2)?, sequence: row.get(3)? };
        Ok((row.get(0)?, numbers))
    })?)
}

fn find(db: &Connection, index: &IdIndex, id: OrderId) -> Result<Option<Reservation>, Fault> {
    let Some(seq) = index.find(db, id.bytes())? else { return Ok(None) };
    let sql = "SELECT id, fingerprint, state, lines, at, claimed FROM reservations WHERE seq = ?1";
    Ok(db.prepare_cached(sql)?.query_row([seq], reservation).optional()?)
}

/// Reads `id, fingerprint, state, lines, at, claimed`.
pub(super) fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    Ok(Reservation {
        id: OrderId::from_bytes(row.get(0)?),
        fingerprint: Fingerprint(row.get(1)?),
        state: ReservationState::from_code(row.get(2)?).map_err(|error| rows::damaged(2, error))?,
        lines: OrderLines::from_json(row.get_ref(3)?.as_str()?)
            .map_err(|error| rows::damaged(3, error))?,
        claimed: rows::optional_json(row, 5)?,
        at: Timestamp::from_millis(row.get(4)?),
    })
}
