//! Reservations: the hot path. Lock and load what a batch names, decide each command in turn, save all changes: six
//! statements, however many orders there are.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use futures_util::future::{try_join, try_join4, try_join5};
use holdfast_storage::postgres::{Fault, Row, Tx, bytes};
use holdfast_types::{
    Code, Error, Fingerprint, OrderId, OrderLines, ProductId, Reservation, ReservationState,
    ReserveCommand, Result, Timestamp,
};
use uuid::Uuid;

use super::{held::Held, journal, rows};
use crate::{
    model::{Demand, Earliers, Numbers, NumbersById, Shelf, ShelfItem, decide_all},
    store::reserving::{Decide, MovedStock, TakenStock, Taking},
};

pub(super) async fn take(
    tx: &Tx,
    demand: Demand,
    now: Timestamp,
    held: &Held,
) -> Result<Taking, Fault> {
    let products: Vec<Uuid> = demand.products().into_iter().map(ProductId::uuid).collect();
    let (free, skipped) = lock(tx, &products, held).await?;
    if skipped.is_empty() {
        return take_locked(tx, &demand, &free, now).await;
    }
    let is_free = |command: &ReserveCommand| {
        demand.products_of(command).all(|id| !skipped.contains(&id.uuid()))
    };
    let rest = demand.commands.iter().filter(|command| is_free(command)).cloned().collect();
    let rest = Demand { commands: Arc::new(rest), ..demand.clone() };
    let mut taken = match take_locked(tx, &rest, &free, now).await? {
        Taking::Done(taken) => taken,
        wants @ Taking::Wants(_) => return Ok(wants),
    };
    let why = "somebody else holds the stock of a product: repeat with the same key";
    let waits = || Err(Error::new(Code::Unavailable, why));
    let mut results = taken.results.into_iter();
    let all = demand.commands.iter();
    taken.results = all
        .map(|command| is_free(command).then(|| results.next()).flatten().unwrap_or_else(waits))
        .collect();
    Ok(Taking::Done(taken))
}

/// Locks products, and tells which of them somebody holds whom nobody waits for any more.
async fn lock(
    tx: &Tx,
    products: &[Uuid],
    held: &Held,
) -> Result<(Vec<Uuid>, HashSet<Uuid>), Fault> {
    let suspects = held.among(products);
    let waited_for: Vec<Uuid> =
        products.iter().filter(|id| !suspects.contains(id)).copied().collect();
    let locked = rows::lock(tx, &waited_for).await;
    if locked.as_ref().is_err_and(Fault::is_lock_timeout) {
        held.suspect(products);
    }
    locked?;
    if suspects.is_empty() {
        return Ok((waited_for, HashSet::new()));
    }
    let skipped = rows::lock_free(tx, &suspects).await?;
    let (still_held, free): (Vec<Uuid>, Vec<Uuid>) =
        suspects.into_iter().partition(|id| skipped.contains(id));
    held.clear(&free);
    held.suspect(&still_held);
    Ok(([waited_for, free].concat(), skipped))
}

async fn take_locked(
    tx: &Tx,
    demand: &Demand,
    products: &[Uuid],
    now: Timestamp,
) -> Result<Taking, Fault> {
    // Statements of their own, begun once the rows are locked: they see what those before us committed.
    let (shelf, earliers) = try_join(shelf(tx, products), earliers(tx, demand)).await?;
    let decided = match decide_all(demand, &earliers, shelf, now) {
        Ok(decided) => decided,
        Err(wanted) => return Ok(Taking::Wants(wanted)),
    };
    let reservations = decided.reservations(&demand.commands);
    let states = decided.states();
    try_join4(
        insert(tx, &reservations),
        set_states(tx, &states),
        journal::append(tx, &decided.movements),
        journal::set_numbers(tx, decided.numbers.clone()),
    )
    .await?;
    Ok(Taking::Done(TakenStock::of(decided, demand, &reservations, now)))
}

async fn shelf(tx: &Tx, products: &[Uuid]) -> Result<Shelf, Fault> {
    let sql = "SELECT p.id, p.sku, p.name, p.price, p.currency, p.archived, s.quantity, s.reserved, s.sequence,
                      p.opens_at, p.closes_at, p.limit_per_customer
               FROM products p JOIN stock s ON s.product_id = p.id WHERE p.id = ANY($1)";
    let rows = tx.query(sql, &[&products]).await?;
    rows.iter().map(shelf_item).collect()
}

fn shelf_item(row: &Row) -> Result<(ProductId, ShelfItem), Fault> {
    let Numbers { quantity, reserved, sequence } = rows::numbers(row, 6);
    let item = ShelfItem {
        sku: row.get(1),
        name: row.get(2),
        price: rows::money(row, 3)?,
        is_active: !row.get::<_, bool>(5),
        sale_window: rows::sale_window(row, 9),
        limit_per_customer: row.get(11),
        quantity,
        reserved,
        sequence,
    };
    Ok((ProductId::new(row.get(0)), item))
}

/// The reservations of the batch that are there already.
async fn earliers(tx: &Tx, demand: &Demand) -> Result<Earliers, Fault> {
    let ids: Vec<Uuid> = demand.reservations().into_iter().map(OrderId::uuid).collect();
    let rows = tx.query(&format!("{SELECT} WHERE id = ANY($1)"), &[&ids]).await?;
    let earlier = |row| reservation(row).and_then(|found| Ok((found.id, found.try_into()?)));
    rows.iter().map(earlier).collect()
}

async fn insert(tx: &Tx, reservations: &[Reservation]) -> Result<(), Fault> {
    if reservations.is_empty() {
        return Ok(());
    }
    // One of them came in between, from another instance and with other products: look again.
    match insert_missing(tx, reservations).await? == reservations.len() as u64 {
        true => Ok(()),
        false => Err(Fault::Stale),
    }
}

/// Writes those of the reservations that are not there, and says how many.
pub(super) async fn insert_missing(tx: &Tx, reservations: &[Reservation]) -> Result<u64, Fault> {
    let ids: Vec<Uuid> = reservations.iter().map(|held| held.id.uuid()).collect();
    let fingerprints: Vec<&[u8]> =
        reservations.iter().map(|held| held.fingerprint.0.as_slice()).collect();
    let states: Vec<i64> = reservations.iter().map(|held| held.state.code()).collect();
    let lines: Vec<&str> = reservations.iter().map(|held| held.lines.json()).collect();
    let claimed = reservations.iter().map(|held| held.claimed.as_ref());
    let claimed = claimed.map(|claimed| claimed.map(serde_json::to_string).transpose());
    let claimed: Vec<Option<String>> = claimed.collect::<Result<_, _>>()?;
    let times: Vec<i64> = reservations.iter().map(|held| held.at.as_millis()).collect();
    tx.execute(
        "INSERT INTO reservations (id, fingerprint, state, lines, claimed, at)
         SELECT id, fingerprint, state, lines, claimed, at
         FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])
              AS n (id, fingerprint, state, lines, claimed, at)
         ON CONFLICT (id) DO NOTHING",
        &[&ids, &fingerprints, &states, &lines, &claimed, &times],
    )
    .await
}

pub(super) async fn move_stock(
    tx: &Tx,
    orders: Vec<OrderId>,
    decide: &Decide,
    now: Timestamp,
) -> Result<MovedStock, Fault> {
    let mut ids: Vec<Uuid> = orders.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    // Which products a reservation names never changes, so it says what to lock first.
    let sql = format!("{SELECT} WHERE id = ANY($1)");
    let found = tx.query(&sql, &[&ids]).await?;
    let found = found.iter().map(reservation).collect::<Result<Vec<_>, _>>()?;
    let products: BTreeSet<Uuid> = found
        .iter()
        .flat_map(|reservation| reservation.lines.iter())
        .map(|line| line.product_id.uuid())
        .collect();
    let products: Vec<Uuid> = products.into_iter().collect();
    rows::lock(tx, &products).await?;
    let locked = tx.query(&format!("{sql} ORDER BY id FOR UPDATE"), &[&ids]).await?;
    let held = locked.iter().map(reservation);
    let held = held.map(|found| found.map(|found| (found.id, found)));
    let reservations = held.collect::<Result<_, _>>()?;
    let numbers = numbers(tx, &products).await?;
    let applied = decide(reservations, &numbers)?;
    let messages = applied.messages(&numbers, now);
    try_join5(
        set_states(tx, &applied.states),
        set_lines(tx, &applied.lines),
        journal::append(tx, &applied.movements),
        journal::set_numbers(tx, applied.numbers),
        move_versions(tx, &applied.versions, now),
    )
    .await?;
    Ok(MovedStock { claims: applied.claims, holds: applied.holds, messages })
}

async fn numbers(tx: &Tx, products: &[Uuid]) -> Result<NumbersById, Fault> {
    let sql =
        "SELECT product_id, quantity, reserved, sequence FROM stock WHERE product_id = ANY($1)";
    let rows = tx.query(sql, &[&products]).await?;
    Ok(rows.iter().map(|row| (ProductId::new(row.get(0)), rows::numbers(row, 1))).collect())
}

async fn set_states(tx: &Tx, states: &[(OrderId, ReservationState)]) -> Result<(), Fault> {
    if states.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = states.iter().map(|(id, _)| id.uuid()).collect();
    let codes: Vec<i64> = states.iter().map(|(_, state)| state.code()).collect();
    let sql = "UPDATE reservations r SET state = n.state
               FROM unnest($1::uuid[], $2::bigint[]) AS n (id, state) WHERE r.id = n.id";
    tx.execute(sql, &[&ids, &codes]).await.map(|_| ())
}

async fn set_lines(tx: &Tx, lines: &[(OrderId, OrderLines)]) -> Result<(), Fault> {
    if lines.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = lines.iter().map(|(id, _)| id.uuid()).collect();
    let texts: Vec<&str> = lines.iter().map(|(_, lines)| lines.json()).collect();
    let sql = "UPDATE reservations r SET lines = n.lines
               FROM unnest($1::uuid[], $2::text[]) AS n (id, lines) WHERE r.id = n.id";
    tx.execute(sql, &[&ids, &texts]).await.map(|_| ())
}

/// What leaves or comes back changes the quantity, and with it the version.
async fn move_versions(
    tx: &Tx,
    versions: &BTreeMap<ProductId, i64>,
    now: Timestamp,
) -> Result<(), Fault> {
    let ids: Vec<Uuid> = versions.keys().map(|id| id.uuid()).collect();
    let counts: Vec<i64> = versions.values().copied().collect();
    tx.execute(
        "UPDATE products p SET version = version + n.moves, quantity_version = version + n.moves, updated_at = $3
         FROM unnest($1::uuid[], $2::bigint[]) AS n (id, moves) WHERE p.id = n.id",
        &[&ids, &counts, &now.as_millis()],
    )
    .await
    .map(|_| ())
}

/// A query for reservations, to which a condition is added; [`reservation`] reads its rows.
pub(super) const SELECT: &str =
    "SELECT id, fingerprint, state, lines, at, claimed FROM reservations";

pub(super) fn reservation(row: &Row) -> Result<Reservation, Fault> {
    Ok(Reservation {
        id: OrderId::new(row.get(0)),
        fingerprint: Fingerprint(bytes(row.get(1))?),
        state: ReservationState::from_code(row.get(2))?,
        lines: OrderLines::from_json(row.get(3))?,
        claimed: row.get::<_, Option<&str>>(5).map(serde_json::from_str).transpose()?,
        at: Timestamp::from_millis(row.get(4)),
    })
}
