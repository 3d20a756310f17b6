//! Everything about products, out of this engine and into it.

use holdfast_storage::{
    Damage, Entry, Sink,
    sqlite::{Fault, IdIndex, damage, pair},
};
use holdfast_types::{
    Code, Error, OrderId, ProductId, Reservation, Result, Timestamp, Unconfirmed,
};
use rusqlite::{Connection, Row, Rows};

use super::{
    Indexes, catalogue, confirmations,
    journal::{self, Journal},
    reservations, rows,
};
use crate::{model::Movement, store::portable::Record};

pub(super) fn dump(db: &Connection, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let mut query = db.prepare("SELECT id, orders, at FROM unconfirmed_batches")?;
    for batch in query.query_map([], unconfirmed)? {
        sink.put_blocking(Ok(batch?))?;
    }
    dump_reservations(db, sink)?;
    dump_products(db, sink)
}

/// By id, which no index sorts: only the ids are sorted, then each row is fetched.
fn dump_reservations(db: &Connection, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let sql = "SELECT id, fingerprint, state, lines, at, claimed
               FROM (SELECT seq AS place FROM reservations ORDER BY id LIMIT -1) CROSS JOIN reservations ON seq = place";
    let mut query = db.prepare(sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let id = OrderId::from_bytes(row.get(0)?);
        let found = reservations::reservation(row);
        let found = found.map_err(|error| damage("reservation", id.uuid(), row, error));
        sink.put_blocking(found.map(Record::Reservation))?;
    }
    Ok(())
}

fn dump_products(db: &Connection, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let sql = format!(
        "SELECT {}, p.seq FROM products p JOIN stock s ON s.product = p.seq ORDER BY p.seq",
        rows::COLUMNS
    );
    let (mut products, mut journals) = (db.prepare(&sql)?, db.prepare(journal::SELECT_ALL)?);
    let mut products = products.query([])?;
    let mut lines = Lines { rows: journals.query([])?, next: None };
    lines.advance()?;
    while let Some(row) = products.next()? {
        let id = ProductId::from_bytes(row.get(0)?);
        let product = rows::product(row).map_err(|error| damage("product", id.uuid(), row, error));
        sink.put_blocking(product.map(|product| Record::Product(Box::new(product))))?;
        let seq: i64 = row.get("seq")?;
        while let Some(movement) = lines.next_of(seq)? {
            let movement =
                movement.map_err(|error| Damage::new("journal of product", id.uuid(), error));
            sink.put_blocking(movement.map(|movement| Record::Movement(id, movement)))?;
        }
    }
    match lines.next {
        None => Ok(()),
        Some((seq, _)) => Err(Error::internal(format!(
            "a line of a journal belongs to product {seq}, which is not there"
        ))
        .into()),
    }
}

/// The lines of all journals, product by product.
struct Lines<'db> {
    rows: Rows<'db>,
    next: Option<(i64, Result<Movement>)>,
}

impl Lines<'_> {
    fn advance(&mut self) -> Result<(), Fault> {
        self.next = match self.rows.next()? {
            None => None,
            Some(row) => {
                let movement = journal::movement(row).map_err(|error| Fault::from(error).into());
                Some((row.get("product")?, movement.flatten()))
            }
        };
        Ok(())
    }

    fn next_of(&mut self, product: i64) -> Result<Option<Result<Movement>>, Fault> {
        let found = self.next.take_if(|(seq, _)| *seq == product);
        if found.is_some() {
            self.advance()?;
        }
        Ok(found.map(|(_, movement)| movement))
    }
}

fn unconfirmed(row: &Row<'_>) -> rusqlite::Result<Record> {
    let found = confirmations::unconfirmed_batch(row)?;
    let at = Timestamp::from_millis(row.get(2)?);
    Ok(Record::Unconfirmed { batch: found.batch, orders: found.orders, at })
}

pub(super) fn load(db: &Connection, indexes: &Indexes, records: Vec<Record>) -> Result<(), Fault> {
    for record in records {
        match record {
            Record::Product(product) => {
                if rows::get(db, product.id)?.is_none() {
                    catalogue::insert(db, &product)?;
                }
            }
            Record::Movement(product, movement) => {
                let seq = seq_of(db, product)?;
                let place = pair(seq, movement.sequence);
                if indexes.movements.find(db, &place)?.is_none() {
                    Journal::prepare(db, &indexes.movements)?.append(seq, &movement)?;
                }
            }
            Record::Reservation(found) => load_reservation(db, &indexes.reservations, &found)?,
            Record::Unconfirmed { batch, orders, at } => {
                confirmations::strike(db, &[batch])?;
                confirmations::note(db, &Unconfirmed { batch, orders }, at)?;
            }
        }
    }
    Ok(())
}

/// What the product of a line is keyed by: a file in which somebody changed an id is refused in words.
fn seq_of(db: &Connection, product: ProductId) -> Result<i64, Fault> {
    match rows::seq(db, product) {
        Err(Fault::Sqlite(rusqlite::Error::QueryReturnedNoRows)) => {
            let why =
                format!("a line of a journal belongs to product {product}, which is not there");
            Err(Error::new(Code::InvalidParameter, why).into())
        }
        found => found,
    }
}

fn load_reservation(db: &Connection, index: &IdIndex, held: &Reservation) -> Result<(), Fault> {
    if index.find(db, held.id.bytes())?.is_some() {
        return Ok(());
    }
    reservations::insert(db, index, std::slice::from_ref(held))
}
