//! Everything about products, out of this engine and into it.

use std::collections::HashSet;

use holdfast_storage::{
    Damage, Entry, Sink,
    postgres::{Fault, Row, Tx},
};
use holdfast_types::{Error, ProductId, Result, Timestamp, Unconfirmed};
use uuid::Uuid;

use super::{catalogue, confirmations, journal, reservations, rows};
use crate::{model::Movement, store::portable::Record};

pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let mut batches =
        tx.cursor("every_batch", "SELECT id, orders, at FROM unconfirmed_batches").await?;
    while let Some(row) = batches.next().await? {
        let Unconfirmed { batch, orders } = confirmations::unconfirmed_batch(&row);
        let at = Timestamp::from_millis(row.get(2));
        sink.put(Ok(Record::Unconfirmed { batch, orders, at })).await?;
    }
    let sql = format!("{} ORDER BY id", reservations::SELECT);
    let mut all = tx.cursor("every_reservation", &sql).await?;
    while let Some(row) = all.next().await? {
        let found = reservations::reservation(&row);
        let found = found.map_err(|error| Damage::new("reservation", row.get(0), error));
        sink.put(found.map(Record::Reservation)).await?;
    }
    dump_products(&tx, sink).await
}

async fn dump_products(tx: &Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let sql = format!("{} ORDER BY product_id, sequence", journal::SELECT);
    let mut lines = tx.cursor("every_line", &sql).await?;
    let mut line = lines.next().await?;
    let mut products =
        tx.cursor("every_product", &format!("{} ORDER BY p.id", rows::SELECT)).await?;
    while let Some(row) = products.next().await? {
        let id: Uuid = row.get(0);
        let product = rows::product(&row).map_err(|error| Damage::new("product", id, error));
        sink.put(product.map(|product| Record::Product(Box::new(product)))).await?;
        while let Some(found) = line.take_if(|line| line.get::<_, Uuid>(8) <= id) {
            sink.put(movement(&found, Some(id))).await?;
            line = lines.next().await?;
        }
    }
    while let Some(found) = line {
        sink.put(movement(&found, None)).await?;
        line = lines.next().await?;
    }
    Ok(())
}

/// A line of the journal of the product that was just read.
fn movement(row: &Row, product: Option<Uuid>) -> Entry<Record> {
    let of: Uuid = row.get(8);
    let movement = match product == Some(of) {
        true => journal::movement(row),
        false => Err(Error::internal("there is no such product")),
    };
    let movement = movement.map_err(|error| Damage::new("journal of product", of, error));
    movement.map(|movement| Record::Movement(ProductId::new(of), movement))
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    let (mut movements, mut held) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Product(product) => catalogue::load(&tx, product).await?,
            Record::Movement(product, movement) => movements.push((*product, movement.clone())),
            Record::Reservation(reservation) => held.push(reservation.clone()),
            Record::Unconfirmed { batch, orders, at } => {
                confirmations::strike(&tx, &[*batch]).await?;
                let batch = Unconfirmed { batch: *batch, orders: orders.clone() };
                confirmations::note(&tx, &batch, *at).await?;
            }
        }
    }
    reservations::insert_missing(&tx, &held).await?;
    journal::append(&tx, &missing(&tx, movements).await?).await
}

/// Those of the movements that are not there.
async fn missing(
    tx: &Tx,
    mut movements: Vec<(ProductId, Movement)>,
) -> Result<Vec<(ProductId, Movement)>, Fault> {
    let products: Vec<Uuid> = movements.iter().map(|(product, _)| product.uuid()).collect();
    let numbers: Vec<i64> = movements.iter().map(|(_, movement)| movement.sequence).collect();
    let sql = "SELECT m.product_id, m.sequence FROM movements m
               JOIN unnest($1::uuid[], $2::bigint[]) AS n (id, sequence) ON m.product_id = n.id AND m.sequence = n.sequence";
    let rows = tx.query(sql, &[&products, &numbers]).await?;
    let there: HashSet<(Uuid, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    movements.retain(|(product, movement)| !there.contains(&(product.uuid(), movement.sequence)));
    Ok(movements)
}
