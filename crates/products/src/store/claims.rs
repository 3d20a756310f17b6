//! What counts against limits per customer: a record per order and product, beside the reservation that says the same.

use std::collections::BTreeSet;

use holdfast_storage::record::{Column, Fault, Index, Kind, Record, Stored, Table, Tx, Value};
use holdfast_types::{ReservationState, Result};
use uuid::Uuid;

use super::{ProductStore, portable::Record as Portable};
use crate::model::{Claim, Claims, Counter, Hold};

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
        let reservations = records.iter().filter_map(|record| match record {
            Portable::Reservation(reservation) => Some(reservation),
            _ => None,
        });
        let (mut claims, mut holds) = (Vec::new(), Vec::new());
        for reservation in reservations {
            claims.extend(Claim::all_of(reservation).into_iter().filter(|claim| claim.units > 0));
            if reservation.state == ReservationState::Held {
                // Until when is not known any more.
                holds.extend(Hold::of(reservation, reservation.at)?);
            }
        }
        self.statements.load(records).await?;
        if !claims.is_empty() {
            self.db.load(claims).await?;
        }
        match holds.is_empty() {
            true => Ok(()),
            false => self.db.load(holds).await,
        }
    }

    /// Makes the records say what reservations say: those of 0 units go.
    pub(super) async fn change_claims(&self, tx: &Tx, claims: &[Claim]) -> Result<(), Fault> {
        if claims.is_empty() {
            return Ok(());
        }
        let ids: Vec<Value> = claims.iter().map(Record::key).collect();
        let there = tx.find_all::<Claim>(None, &ids).await?;
        let is_there = |id: Uuid| there.iter().any(|claim| claim.id() == id);
        let new: Vec<&Claim> =
            claims.iter().filter(|claim| claim.units > 0 && !is_there(claim.id())).collect();
        tx.insert_all(new).await??;
        let mut over: Vec<Stored<Claim>> = Vec::new();
        for mut claim in there {
            let now = claims.iter().rfind(|now| now.id() == claim.id());
            match now.map_or(claim.units, |now| now.units) {
                0 => over.push(claim),
                units if units != claim.units => {
                    claim.units = units;
                    tx.put(&claim).await??;
                }
                _ => {}
            }
        }
        tx.delete_all(over).await
    }
}
