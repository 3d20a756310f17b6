//! Nobody: a provider for development and for tests, whose books are kept beside the shop's, and where a request plays the
//! buyer's part. It keeps the rules of a real one.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use axum::http::HeaderMap;
use holdfast_storage::{
    Database,
    record::{Fault, Record, Stored, Table, Tx, Value},
};
use holdfast_types::{Error, Money, Result, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Hint, Intent, Provider, Refusal, invalid_signature};
use crate::model::{Capture, ProviderName, Refund, RefundStatus, Seen, SeenRefund, Status};

/// What names of its payments begin with; the rest is the payment's id.
const PREFIX: &str = "test_";

/// What the buyer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TestOutcome)]
pub(crate) enum Outcome {
    /// They pay.
    Succeed,
    /// Their card is declined.
    Decline,
    /// Their bank wants to know more first.
    RequireAction,
}

/// A payment in the books of this provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestIntent {
    id: Uuid,
    status: Status,
    amount: i64,
    capture: Capture,
    authorized: i64,
    captured: i64,
    failure: Option<String>,
    /// Minor units, by key.
    refunds: BTreeMap<String, i64>,
}

impl Record for TestIntent {
    const TABLE: Table = Table::of("test_intents", "payment of the test provider");

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

impl TestIntent {
    fn new(intent: &Intent) -> Self {
        Self {
            id: intent.payment.uuid(),
            status: Status::Pending,
            amount: intent.amount.amount,
            capture: intent.capture,
            authorized: 0,
            captured: 0,
            failure: None,
            refunds: BTreeMap::new(),
        }
    }

    fn take(&mut self) {
        self.status = Status::Captured;
        self.authorized = self.amount;
        self.captured = self.amount;
    }

    /// The buyer does something; nothing when it is too late for that.
    fn act(&mut self, outcome: Outcome) {
        if !matches!(self.status, Status::Pending | Status::RequiresAction | Status::Processing) {
            return;
        }
        self.failure = None;
        match (outcome, self.capture) {
            (Outcome::Succeed, Capture::Automatic) => self.take(),
            (Outcome::Succeed, Capture::Manual) => {
                self.status = Status::Authorized;
                self.authorized = self.amount;
            }
            (Outcome::Decline, _) => {
                self.status = Status::Failed;
                self.failure = Some("the card was declined".to_owned());
            }
            (Outcome::RequireAction, _) => self.status = Status::RequiresAction,
        }
    }

    fn capture(&mut self) -> Result<(), String> {
        match self.status {
            Status::Authorized => self.take(),
            Status::Captured => {}
            status => {
                return Err(format!("a payment that is {} cannot be captured", status.as_str()));
            }
        }
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), String> {
        match self.status {
            status if status.is_open() => self.status = Status::Cancelled,
            Status::Cancelled => {}
            status => {
                return Err(format!("a payment that is {} cannot be cancelled", status.as_str()));
            }
        }
        Ok(())
    }

    fn refund(&mut self, key: &str, amount: i64) -> Result<(), String> {
        if self.refunds.contains_key(key) {
            return Ok(());
        }
        let left = self.captured - self.refunds.values().sum::<i64>();
        if amount > left {
            return Err(format!("{left} minor units are left to be given back, not {amount}"));
        }
        self.refunds.insert(key.to_owned(), amount);
        Ok(())
    }

    fn seen(&self) -> Seen {
        let intent = format!("{PREFIX}{}", self.id);
        Seen {
            client_secret: Some(format!("{intent}_secret")),
            intent,
            status: self.status,
            authorized: self.authorized,
            captured: self.captured,
            failure: self.failure.clone(),
        }
    }
}

/// See above.
#[derive(Clone, Debug)]
pub(crate) struct TestProvider {
    db: Database,
}

impl TestProvider {
    pub(crate) const fn new(db: Database) -> Self {
        Self { db }
    }

    /// The buyer does something.
    pub(crate) async fn act(&self, intent: &str, outcome: Outcome) -> Result<Seen, Refusal> {
        self.change(intent, move |intent| {
            intent.act(outcome);
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        intent: &str,
        judge: impl Fn(&mut TestIntent) -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<Seen, Refusal> {
        let (id, judge) = (id_of(intent)?, Arc::new(judge));
        let change = move |tx: Tx| {
            let judge = Arc::clone(&judge);
            async move {
                tx.lock::<TestIntent>([id.into()]).await?;
                let Some(mut stored): Option<Stored<TestIntent>> = tx.get(id).await? else {
                    return Ok(Err(unknown_payment()));
                };
                if let Err(why) = judge(&mut stored) {
                    return Ok(Err(Refusal::Declined(why)));
                }
                tx.put(&stored).await??;
                Ok(Ok(stored.seen()))
            }
        };
        self.db.transact(change).await.map_err(unknown)?
    }
}

fn unknown_payment() -> Refusal {
    Refusal::Declined("the test provider does not know this payment".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn unknown(error: Error) -> Refusal {
    Refusal::Unknown(error.cause())
}

fn id_of(intent: &str) -> Result<Uuid, Refusal> {
    let id = intent.strip_prefix(PREFIX).and_then(|id| id.parse().ok());
    id.ok_or_else(unknown_payment)
}

#[async_trait]
impl Provider for TestProvider {
    fn name(&self) -> ProviderName {
        ProviderName::Test
    }

    async fn create(&self, intent: &Intent) -> Result<Seen, Refusal> {
        let created = self.db.create(TestIntent::new(intent)).await.map_err(unknown)?;
        let (found, _) = created.map_err(|taken| {
            unknown(match Fault::from(taken) {
                Fault::Refused(error) => error,
                _ => Error::internal("the test provider cannot keep a payment"),
            })
        })?;
        Ok(found.seen())
    }

    async fn fetch(&self, intent: &str, _amount: Money) -> Result<Seen, Refusal> {
        let found = self.db.get::<TestIntent>(id_of(intent)?).await.map_err(unknown)?;
        found.map(|found| found.seen()).ok_or_else(unknown_payment)
    }

    async fn capture(&self, intent: &str, _payment: &Intent) -> Result<Seen, Refusal> {
        self.change(intent, TestIntent::capture).await
    }

    async fn cancel(&self, intent: &str, _payment: &Intent) -> Result<Seen, Refusal> {
        self.change(intent, TestIntent::cancel).await
    }

    async fn refund(
        &self,
        intent: &str,
        refund: &Refund,
        _is_stale: bool,
    ) -> Result<SeenRefund, Refusal> {
        let (key, amount) = (refund.key.clone(), refund.amount.amount);
        let reference = format!("{PREFIX}refund_{}", refund.id);
        self.change(intent, move |intent| intent.refund(&key, amount)).await?;
        Ok(SeenRefund { reference, status: RefundStatus::Succeeded, failure: None })
    }

    fn check_webhook(&self, _: &HeaderMap, _: Timestamp) -> Result<()> {
        Err(invalid_signature("the test provider sends no notifications"))
    }

    fn read_webhook(&self, _: &HeaderMap, _: &[u8], _: Timestamp) -> Result<Hint> {
        Err(invalid_signature("the test provider sends no notifications"))
    }
}
