//! The numbers of products, and the journal of their movements.

use holdfast_storage::postgres::{Fault, Postgres, Row, Tx};
use holdfast_types::{
    Cursor, Error, OrderId, Page, PageRequest, ProductId, Result, Timestamp, UserId,
};
use uuid::Uuid;

use crate::model::{Cause, Movement, MovementKind, Numbers};

/// A query for movements, to which a condition is added; [`movement`] reads its rows.
pub(super) const SELECT: &str = "SELECT sequence, kind, quantity_delta, reserved_delta, order_id, by_user, reason, at, \
    product_id FROM movements";

/// Appends to the journals of several products at once.
pub(super) async fn append(tx: &Tx, movements: &[(ProductId, Movement)]) -> Result<(), Fault> {
    if movements.is_empty() {
        return Ok(());
    }
    let numbers = |read: fn(&Movement) -> i64| -> Vec<i64> {
        movements.iter().map(|(_, movement)| read(movement)).collect()
    };
    let products: Vec<Uuid> = movements.iter().map(|(product, _)| product.uuid()).collect();
    let (mut orders, mut people, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for (_, movement) in movements {
        let (order, by, reason) = match &movement.cause {
            Cause::Order(order) => (Some(order.uuid()), None, None),
            Cause::Person { by, reason } => (None, Some(by.uuid()), reason.as_deref()),
        };
        orders.push(order);
        people.push(by);
        reasons.push(reason);
    }
    tx.execute(
        "INSERT INTO movements (product_id, sequence, kind, quantity_delta, reserved_delta, order_id, by_user, reason, at)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[], $7::uuid[],
                              $8::text[], $9::bigint[])",
        &[
            &products,
            &numbers(|movement| movement.sequence),
            &numbers(|movement| movement.kind.code()),
            &numbers(|movement| movement.quantity_delta),
            &numbers(|movement| movement.reserved_delta),
            &orders,
            &people,
            &reasons,
            &numbers(|movement| movement.at.as_millis()),
        ],
    )
    .await
    .map(|_| ())
}

/// Sets the numbers of products whose rows are locked.
pub(super) async fn set_numbers(
    tx: &Tx,
    numbers: impl IntoIterator<Item = (ProductId, Numbers)>,
) -> Result<(), Fault> {
    let mut columns: (Vec<Uuid>, Vec<i64>, Vec<i64>, Vec<i64>) = Default::default();
    for (product, Numbers { quantity, reserved, sequence }) in numbers {
        columns.0.push(product.uuid());
        columns.1.push(quantity);
        columns.2.push(reserved);
        columns.3.push(sequence);
    }
    if columns.0.is_empty() {
        return Ok(());
    }
    tx.execute(
        "UPDATE stock s SET quantity = n.quantity, reserved = n.reserved, sequence = n.sequence
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS n (id, quantity, reserved, sequence)
         WHERE s.product_id = n.id",
        &[&columns.0, &columns.1, &columns.2, &columns.3],
    )
    .await
    .map(|_| ())
}

pub(super) async fn list(
    db: &Postgres,
    id: ProductId,
    request: &PageRequest,
) -> Result<Page<Movement>> {
    let filters = format!("movements of {id}");
    let after: i64 = request.after.as_ref().map_or(Ok(0), |cursor| cursor.position(&filters))?;
    let limit = i64::try_from(request.limit + 1).unwrap_or(i64::MAX);
    let sql =
        format!("{SELECT} WHERE product_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3");
    let rows = db.query(&sql, &[&id.uuid(), &after, &limit]).await?;
    let found = rows.iter().map(movement).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, |movement| Cursor::new(&filters, &movement.sequence)))
}

pub(super) fn movement(row: &Row) -> Result<Movement> {
    let code: i64 = row.get(1);
    let kind = MovementKind::from_code(code)
        .ok_or_else(|| Error::internal(format!("a movement has the unknown kind {code}")))?;
    let cause = match (row.get::<_, Option<Uuid>>(4), row.get::<_, Option<Uuid>>(5)) {
        (Some(order), _) => Cause::Order(OrderId::new(order)),
        (None, by) => Cause::Person { by: UserId::new(by.unwrap_or_default()), reason: row.get(6) },
    };
    Ok(Movement {
        sequence: row.get(0),
        kind,
        quantity_delta: row.get(2),
        reserved_delta: row.get(3),
        cause,
        at: Timestamp::from_millis(row.get(7)),
    })
}
