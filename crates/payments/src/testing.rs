//! For tests: orders that only know their money, and a provider in memory that fails as networks do.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::HeaderMap;
use holdfast_storage::{
    Database,
    record::{Fault, Record, Stored, Table, Tx, Value},
};
use holdfast_types::{
    BookedOrder, Code, Error, Money, OrderId, OrderLine, OrderLines, ProductId, Random, Result,
    Standing, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

use crate::{
    OrderBook,
    model::{Capture, ProviderName, Refund, RefundStatus, Seen, SeenRefund, Status},
    provider::{Hint, Intent, Provider, Refusal, invalid_signature},
};

/// An order, as far as money is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TestOrder {
    pub(crate) id: OrderId,
    pub(crate) user: UserId,
    pub(crate) total: Money,
    pub(crate) status: String,
    pub(crate) reference: Option<String>,
    pub(crate) has_had_time: bool,
    /// Units that are back in the stock.
    pub(crate) returned: Vec<(ProductId, i64)>,
}

/// What every order of a test is of: ten units.
pub(crate) const PRODUCT: ProductId = ProductId::from_bytes([5; 16]);
pub(crate) const UNITS: i64 = 10;

impl TestOrder {
    fn lines(&self) -> OrderLines {
        let unit_price = Money { amount: self.total.amount / UNITS, ..self.total };
        let line = OrderLine {
            product_id: PRODUCT,
            sku: None,
            name: "Tea".to_owned(),
            unit_price,
            quantity: UNITS,
            total: self.total,
            stock_sequence: 1,
        };
        OrderLines::new(vec![line]).unwrap()
    }
}

impl Record for TestOrder {
    const TABLE: Table = Table::of("test_orders", "order of a test");

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

/// Orders of a test.
#[derive(Clone, Debug)]
pub(crate) struct TestBook(Database, Arc<Mutex<HashSet<OrderId>>>);

impl TestBook {
    pub(crate) async fn open(database: &Database) -> Self {
        database.define::<TestOrder>().await.unwrap();
        Self(database.clone(), Arc::default())
    }

    pub(crate) async fn placed(&self, id: OrderId, user: UserId, amount: i64) -> TestOrder {
        let total = Money { amount, currency: "USD".parse().unwrap() };
        let status = "placed".to_owned();
        let (reference, has_had_time, returned) = (None, false, Vec::new());
        let order = TestOrder { id, user, total, status, reference, has_had_time, returned };
        self.0.create(order.clone()).await.unwrap().unwrap();
        order
    }

    /// Whether the stock was told to follow an order.
    pub(crate) fn has_moved(&self, id: OrderId) -> bool {
        self.1.lock().unwrap().contains(&id)
    }

    /// Changes an order as nobody else does meanwhile.
    pub(crate) async fn change(&self, id: OrderId, change: fn(&mut TestOrder)) {
        let change = move |tx: Tx| async move {
            let mut order = hold(&tx, id).await?.expect("the order");
            change(&mut order);
            tx.put(&order).await??;
            Ok(())
        };
        self.0.transact(change).await.unwrap();
    }

    pub(crate) async fn order(&self, id: OrderId) -> TestOrder {
        self.0.get::<TestOrder>(id).await.unwrap().unwrap()
    }
}

pub(crate) async fn hold(tx: &Tx, id: OrderId) -> Result<Option<Stored<TestOrder>>, Fault> {
    tx.lock::<TestOrder>([id.into()]).await?;
    tx.get(id).await
}

#[async_trait]
impl OrderBook for TestBook {
    async fn load(&self, tx: &Tx, id: OrderId) -> Result<Option<BookedOrder>, Fault> {
        let order = hold(tx, id).await?;
        Ok(order.map(|order| BookedOrder {
            user: order.user,
            total: order.total,
            status: if order.status == "placed" { "placed" } else { "over" },
            is_unpaid: order.status == "placed",
            reference: order.reference.clone(),
            lines: order.lines(),
        }))
    }

    async fn pay(
        &self,
        tx: &Tx,
        id: OrderId,
        reference: &str,
        _: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(mut order) = hold(tx, id).await? else { return Ok(false) };
        if order.status != "placed" {
            return Ok(order.status == "paid" && order.reference.as_deref() == Some(reference));
        }
        order.status = "paid".to_owned();
        order.reference = Some(reference.to_owned());
        tx.put(&order).await??;
        Ok(true)
    }

    async fn standing(&self, ids: Vec<OrderId>) -> Result<Vec<Standing>> {
        let mut standing = Vec::new();
        for id in ids {
            if let Some(order) = self.0.get::<TestOrder>(id).await? {
                let is_paid = order.status == "paid";
                let status = if is_paid { "paid" } else { "not paid" };
                let TestOrder { reference, returned, .. } = order;
                standing.push(Standing { order: id, status, is_paid, reference, returned });
            }
        }
        Ok(standing)
    }

    async fn give_back(
        &self,
        tx: &Tx,
        id: OrderId,
        units: &[(ProductId, i64)],
        _: Timestamp,
    ) -> Result<(), Fault> {
        let mut order = hold(tx, id).await?.expect("the order");
        if order.status != "paid" {
            let why = "no units go back to the stock";
            return Err(Error::new(Code::InvalidTransition, why).into());
        }
        order.returned = units.to_vec();
        tx.put(&order).await??;
        Ok(())
    }

    async fn move_stock(&self, id: OrderId) -> Result<()> {
        self.1.lock().unwrap().insert(id);
        Ok(())
    }

    async fn extend(&self, tx: &Tx, id: OrderId, _: Timestamp) -> Result<(), Fault> {
        let Some(mut order) = hold(tx, id).await? else { return Ok(()) };
        order.has_had_time = true;
        tx.put(&order).await??;
        Ok(())
    }
}

/// A payment in the books of the provider.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) status: Status,
    capture: Capture,
    pub(crate) amount: i64,
    pub(crate) captured: i64,
    pub(crate) refunds: HashMap<String, i64>,
}

impl Entry {
    fn seen(&self, intent: &str) -> Seen {
        let is_authorized = self.status == Status::Authorized;
        Seen {
            intent: intent.to_owned(),
            client_secret: Some(format!("{intent}_secret")),
            status: self.status,
            authorized: if is_authorized { self.amount } else { self.captured },
            captured: self.captured,
            failure: None,
        }
    }

    fn take(&mut self) {
        self.status = Status::Captured;
        self.captured = self.amount;
    }
}

/// A provider in memory. Clones share its books.
#[derive(Clone, Debug)]
pub(crate) struct Double(Arc<Books>);

#[derive(Debug)]
struct Books {
    entries: Mutex<HashMap<String, Entry>>,
    random: Random,
    /// Of a hundred calls, so many are lost before they do anything, and so many after.
    faults: Mutex<u8>,
}

impl Double {
    pub(crate) fn new(random: Random) -> Self {
        Self(Arc::new(Books { entries: Mutex::default(), random, faults: Mutex::new(0) }))
    }

    pub(crate) fn fail(&self, of_hundred: u8) {
        *self.0.faults.lock().unwrap() = of_hundred;
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_lost(&self) -> bool {
        let [byte] = self.0.random.bytes();
        byte % 100 < *self.0.faults.lock().unwrap()
    }

    async fn pause(&self) {
        let [byte] = self.0.random.bytes();
        match byte % 4 {
            0 => {}
            1 => tokio::task::yield_now().await,
            more => tokio::time::sleep(Duration::from_micros(u64::from(more) * 150)).await,
        }
    }

    /// Does something to a payment, with whatever a network does to it.
    async fn call<T>(
        &self,
        intent: &str,
        effect: impl FnOnce(&mut Entry) -> Result<T, String> + Send,
    ) -> Result<T, Refusal> {
        self.pause().await;
        if self.is_lost() {
            return Err(Refusal::Unknown("the request was lost".to_owned()));
        }
        let done = match self.entries().get_mut(intent) {
            Some(entry) => effect(entry).map_err(Refusal::Declined),
            None => Err(Refusal::Declined("there is no such payment".to_owned())),
        };
        self.pause().await;
        if self.is_lost() {
            return Err(Refusal::Unknown("the answer was lost".to_owned()));
        }
        done
    }

    /// The buyer pays, if it is not too late.
    pub(crate) fn pay(&self, intent: &str) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(intent) else { return };
        match (entry.status, entry.capture) {
            (Status::Pending, Capture::Automatic) => entry.take(),
            (Status::Pending, Capture::Manual) => entry.status = Status::Authorized,
            _ => {}
        }
    }

    /// What was set aside is not any more.
    pub(crate) fn lapse(&self, intent: &str) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(intent).filter(|it| it.status == Status::Authorized) {
            entry.status = Status::Cancelled;
        }
    }
}

#[async_trait]
impl Provider for Double {
    fn name(&self) -> ProviderName {
        ProviderName::Test
    }

    async fn create(&self, intent: &Intent) -> Result<Seen, Refusal> {
        let name = format!("pi_{}", intent.key());
        if self.is_lost() {
            return Err(Refusal::Unknown("the request was lost".to_owned()));
        }
        self.entries().entry(name.clone()).or_insert_with(|| Entry {
            status: Status::Pending,
            capture: intent.capture,
            amount: intent.amount.amount,
            captured: 0,
            refunds: HashMap::new(),
        });
        self.call(&name, |entry| Ok(entry.seen(&name))).await
    }

    async fn fetch(&self, intent: &str, _: Money) -> Result<Seen, Refusal> {
        self.call(intent, |entry| Ok(entry.seen(intent))).await
    }

    async fn capture(&self, intent: &str, _: &Intent) -> Result<Seen, Refusal> {
        let capture = |entry: &mut Entry| match entry.status {
            Status::Authorized => {
                entry.take();
                Ok(entry.seen(intent))
            }
            _ => Err("it cannot be captured".to_owned()),
        };
        self.call(intent, capture).await
    }

    async fn cancel(&self, intent: &str, _: &Intent) -> Result<Seen, Refusal> {
        let cancel = |entry: &mut Entry| match entry.status {
            status if status.is_open() => {
                entry.status = Status::Cancelled;
                Ok(entry.seen(intent))
            }
            _ => Err("it cannot be called off".to_owned()),
        };
        self.call(intent, cancel).await
    }

    async fn refund(&self, intent: &str, refund: &Refund, _: bool) -> Result<SeenRefund, Refusal> {
        let (key, amount) = (refund.key.clone(), refund.amount.amount);
        let give_back = move |entry: &mut Entry| {
            let left = entry.captured - entry.refunds.values().sum::<i64>();
            if !entry.refunds.contains_key(&key) && amount > left {
                return Err("more than was taken".to_owned());
            }
            entry.refunds.insert(key.clone(), amount);
            Ok(SeenRefund { reference: key, status: RefundStatus::Succeeded, failure: None })
        };
        self.call(intent, give_back).await
    }

    fn check_webhook(&self, _: &HeaderMap, _: Timestamp) -> Result<()> {
        Err(invalid_signature("nobody signs here"))
    }

    fn read_webhook(&self, _: &HeaderMap, _: &[u8], _: Timestamp) -> Result<Hint> {
        Err(invalid_signature("nobody signs here"))
    }
}
