//! One test per guarantee of [`ProductStore`], run on every engine, races included.

use std::collections::BTreeMap;

use holdfast_storage::Entry;
use holdfast_testkit::{Fresh, damage, on_every_engine, operation};
use holdfast_types::{
    Basis, BatchId, Fingerprint, IdempotentAnswer, Money, Operation, OrderId, ReserveBatch,
    ReserveCommand, Reserved, StockAction, Unconfirmed, UserId, Version,
};

use super::{portable::Record, *};
use crate::{
    model::{Change, Details, MovementKind, NewProduct, ProductPatch, SaleWindow, Status},
    service::Audit,
};

mod catalogue;
mod claims;
mod holds;
mod listing;
mod pieces;
mod reservations;
mod telling;

const SELLER: UserId = UserId::from_bytes([7; 16]);
const CUSTOMER: UserId = UserId::from_bytes([8; 16]);

struct Bench {
    store: ProductStore,
    fresh: Fresh,
}

impl Bench {
    async fn new(fresh: Fresh) -> Self {
        let store = ProductStore::open(&fresh.database, &fresh.random).await.unwrap().0;
        Self { store, fresh }
    }

    fn now(&self) -> Timestamp {
        self.fresh.clock.now()
    }

    fn operation(&self) -> Operation {
        operation(&self.fresh.random)
    }

    fn change(&self) -> Change {
        Change { by: SELLER, at: self.now() }
    }

    /// Renames a product that was seen at its first version.
    async fn rename(&self, id: ProductId, name: &str) -> Result<IdempotentAnswer> {
        let (change, patch) = (self.change(), rename(name));
        let judge = move |product: &mut Product| product.edit(&patch, &based_on(1), change);
        self.store.edit(id, &self.operation(), change.at, render, judge).await
    }

    async fn adjust(
        &self,
        id: ProductId,
        delta: i64,
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        let change = self.change();
        let judge =
            move |product: &mut Product| product.adjust(delta, "delivery", change).map(Some);
        self.store.edit(id, operation, change.at, render, judge).await
    }

    async fn archive(&self, id: ProductId) -> Result<IdempotentAnswer> {
        let change = self.change();
        let judge =
            move |product: &mut Product| product.archive(&based_on(1), change).map(|()| None);
        self.store.edit(id, &self.operation(), change.at, render, judge).await
    }

    async fn product(&self, sku: &str, quantity: i64) -> ProductId {
        let new = self.new_product(sku, quantity);
        self.store.create(&new, None).await.unwrap();
        new.id
    }

    fn new_product(&self, sku: &str, quantity: i64) -> NewProduct {
        let sale_window = SaleWindow::default();
        let details = Details {
            sale_window,
            limit_per_customer: None,
            sku: Some(sku.to_owned()),
            name: format!("Green tea {sku}"),
            description: None,
            category: Some("Tea".to_owned()),
            images: Vec::new(),
            metadata: BTreeMap::new(),
            price: Money { amount: 100, currency: "USD".parse().unwrap() },
            status: Status::Active,
        };
        let id = ProductId::new(self.fresh.random.uuid_v7(self.now()));
        NewProduct {
            id,
            seller: SELLER,
            details,
            quantity,
            fingerprint: Fingerprint([1; 16]),
            created_at: self.now(),
        }
    }

    fn command(&self, items: &[(ProductId, i64)]) -> ReserveCommand {
        ReserveCommand {
            id: OrderId::new(self.fresh.random.uuid_v7(self.now())),
            fingerprint: Fingerprint([2; 16]),
            customer: CUSTOMER,
            items: items.to_vec(),
            expected_total: None,
            hold: None,
        }
    }

    async fn reserve(&self, command: &ReserveCommand) -> Result<Reserved> {
        self.reserve_batch(command).await.1
    }

    /// The batch, and what the one command in it led to.
    async fn reserve_batch(&self, command: &ReserveCommand) -> (BatchId, Result<Reserved>) {
        let id = BatchId::new(self.fresh.random.uuid_v7(self.now()));
        let batch = ReserveBatch {
            id,
            commands: vec![command.clone()],
            confirmed: Vec::new(),
            trace: None,
        };
        (id, self.store.reserve(batch, self.now()).await.unwrap().pop().unwrap())
    }

    async fn numbers(&self, id: ProductId) -> (i64, i64) {
        let product = self.store.get(id).await.unwrap().unwrap();
        (product.quantity, product.reserved)
    }

    async fn dump(&self) -> Vec<Entry<Record>> {
        let mut dump = self.store.dump().await.unwrap();
        let mut records = Vec::new();
        while let Some(record) = dump.next().await.unwrap() {
            records.push(record);
        }
        records
    }

    async fn findings(&self) -> Vec<String> {
        let mut audit = Audit::default();
        for record in self.dump().await {
            audit.see(&record.unwrap());
        }
        let mut counted = self.store.database().records::<Claim>().await.unwrap();
        while let Some(claim) = counted.next().await.unwrap() {
            audit.see_counted(&claim.unwrap());
        }
        let mut holds = self.store.database().records::<Hold>().await.unwrap();
        while let Some(hold) = holds.next().await.unwrap() {
            audit.see_hold(&hold.unwrap());
        }
        audit.finish().1
    }

    async fn assert_sound(&self) {
        assert_eq!(self.findings().await, Vec::<String>::new());
    }
}

fn render(product: &Product) -> Result<Answer> {
    Ok(Answer { status: 200, etag: None, body: product.quantity.to_string().into_bytes() })
}

fn rename(name: &str) -> ProductPatch {
    ProductPatch { name: Some(name.to_owned()), ..ProductPatch::default() }
}

fn based_on(version: i64) -> Basis {
    Basis { if_match: None, version: Some(Version(version)) }
}
