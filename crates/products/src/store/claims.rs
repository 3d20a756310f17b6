//! What counts against limits per customer: a record per order and product, beside the reservation that says the same.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use holdfast_storage::record::{Column, Fault, Index, Kind, Record, Stored, Table, Tx, Value};
use holdfast_types::{OrderId, Result, Timestamp};
use uuid::Uuid;

use super::{ProductStore, portable::Record as Portable, reserving::Decide};
use crate::model::{Claim, Claims, Counter, count_all};

impl Record for Claim {
    const TABLE: Table = Table {
        columns: &[Column::of("counter", Kind::Bytes)],
        indexes: &[Index::of("counter", &["counter"])],
        ..Table::of("claims", "claim on a limit")
    };

    fn key(&self) -> Value {
        self.id().into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![Some(value_of(self.counter()))]
    }
}

fn value_of((product, customer): Counter) -> Value {
    Value::Bytes([*product.bytes(), *customer.bytes()].concat())
}

impl ProductStore {
    /// How many units customers have. What is locked is not changed by others meanwhile: the products are.
    pub(super) async fn count_claims(
        &self,
        tx: &Tx,
        counters: BTreeSet<Counter>,
    ) -> Result<Claims, Fault> {
        let values: Vec<Value> = counters.iter().map(|counter| value_of(*counter)).collect();
        let mut claims: Claims = counters.into_iter().map(|counter| (counter, 0)).collect();
        for claim in tx.find_all::<Claim>(Some("counter"), &values).await? {
            *claims.entry(claim.counter()).or_default() += claim.units;
        }
        Ok(claims)
    }

    /// Keeps what another database kept, unless it is there, with what its reservations claim, and with its holds, whose
    /// time is over then.
    pub(crate) async fn load(&self, records: Vec<Portable>) -> Result<()> {
        let ids = records.iter().filter_map(|record| match record {
            Portable::Reservation(found) => found.claimed.as_ref().map(|_| found.id),
            _ => None,
        });
        let ids: Vec<OrderId> = ids.collect();
        self.statements.load(records).await?;
        self.recount(ids).await
    }

    /// Makes claims and holds say what the reservations of these orders and holds say, as they are: a hold that nobody
    /// knows is over at once.
    pub(crate) async fn recount(&self, ids: Vec<OrderId>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let store = self.clone();
        let recount = move |tx: Tx| {
            let (store, ids) = (store.clone(), ids.clone());
            async move {
                let decide: Decide = Arc::new(|reservations, _| count_all(reservations));
                let moved = store.move_stock(&tx, ids, decide, Timestamp::from_millis(0)).await?;
                store.change_claims(&tx, &moved.claims).await?;
                tx.insert_missing(&moved.holds).await
            }
        };
        self.db.transact(recount).await
    }

    /// Makes the records say what reservations say, of each order and product the last: those of 0 units go.
    pub(super) async fn change_claims(&self, tx: &Tx, claims: &[Claim]) -> Result<(), Fault> {
        if claims.is_empty() {
            return Ok(());
        }
        let mut left: HashMap<Uuid, &Claim> =
            claims.iter().map(|claim| (claim.id(), claim)).collect();
        let ids: Vec<Value> = left.keys().map(|id| Value::from(*id)).collect();
        let mut over: Vec<Stored<Claim>> = Vec::new();
        for mut claim in tx.find_all::<Claim>(None, &ids).await? {
            let Some(now) = left.remove(&claim.id()) else { continue };
            if now.units == 0 {
                over.push(claim);
            } else if now.units != claim.units {
                claim.units = now.units;
                tx.put(&claim).await??;
            }
        }
        tx.delete_all(over).await?;
        let new = left.into_values().filter(|claim| claim.units > 0);
        Ok(tx.insert_all(new.collect::<Vec<_>>()).await??)
    }
}
