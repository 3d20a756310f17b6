//! What orders move from one engine to another.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{OrderId, Result, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::OrderStore;
use crate::model::{Event, Order};

/// Something that orders keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Record {
    /// An order.
    Order(#[serde(deserialize_with = "in_todays_form")] Box<Order>),
    /// An attempt that was undone.
    Tombstone(OrderId, Timestamp),
}

/// What happened to an order stood beside it at first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Today(Box<Order>),
    First(Box<Order>, Vec<Event>),
}

fn in_todays_form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Order>, D::Error> {
    Ok(match Form::deserialize(deserializer)? {
        Form::Today(order) => order,
        Form::First(mut order, events) => {
            order.progress.events = events;
            order
        }
    })
}

impl OrderStore {
    /// Keeps what another engine kept, unless it is there.
    pub(crate) async fn load(&self, records: Vec<Record>) -> Result<()> {
        let (store, records) = (self.clone(), Arc::new(records));
        let load = move |tx: Tx| {
            let (store, records) = (store.clone(), Arc::clone(&records));
            async move { store.load_in(&tx, &records).await }
        };
        self.db.transact(load).await
    }

    async fn load_in(&self, tx: &Tx, records: &[Record]) -> Result<(), Fault> {
        let mut orders = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Record::Order(order) => orders.push(Order::clone(order)),
                Record::Tombstone(id, at) => self.bury(tx, vec![*id], *at).await.map(|_| ())?,
            }
        }
        self.record_moved(tx, orders).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order as the first exports had it: its history beside it, the moments of its steps within.
    #[test]
    fn the_first_form_is_read() {
        let text = r##"{"order":[{"id":"01890000-0000-7000-8000-000000000001","user":"01890000-0000-7000-8000-000000000002",
            "status":"paid","version":2,"lines":[],"total":{"amount":5,"currency":"USD"},"buyer":{},
            "fingerprint":FINGERPRINT,"owed":null,"created_at":CREATED,"updated_at":PAID,"expires_at":null,
            "progress":{"paid_at":PAID,"shipped_at":null,"reference":"inv-1","carrier":null,"tracking_number":null}},
            [{"status":"paid","version":2,"at":PAID,"by":null}]]}"##;
        let json = |value: Timestamp| serde_json::to_string(&value).unwrap();
        let fingerprint = holdfast_types::Fingerprint([1; 16]);
        let text = text
            .replace("FINGERPRINT", &serde_json::to_string(&fingerprint).unwrap())
            .replace("CREATED", &json(Timestamp::from_millis(1)))
            .replace("PAID", &json(Timestamp::from_millis(2)));
        let Record::Order(order) = serde_json::from_str(&text).unwrap() else { panic!("an order") };
        assert_eq!(order.progress.reference.as_deref(), Some("inv-1"));
        assert_eq!(order.events().map(|event| event.version.0).collect::<Vec<_>>(), [1, 2]);
        let again = serde_json::to_string(&Record::Order(order.clone())).unwrap();
        let Record::Order(read) = serde_json::from_str(&again).unwrap() else { panic!("an order") };
        assert_eq!(read, order);
    }
}
