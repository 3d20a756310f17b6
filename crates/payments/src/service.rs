//! What the payments service does, apart from HTTP and storage.

mod driving;
mod following;
#[cfg(test)]
mod races;
mod refunding;
mod statistics;
mod sweeping;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use holdfast_storage::{Database, EventSource};
use holdfast_types::{Answer, Clock, Code, Error, Operation, Result, Secret, Sources, Timestamp};
use holdfast_web::{Lists, auth::Verifier};

use crate::{
    OrderBook,
    model::{Ledger, NewPayment, Payment, ProviderName},
    provider::{Hint, Outcome, Provider, Refusal, Stripe, StripeSettings, TestProvider},
    store::{Claimed, PaymentStore},
};

use driving::{Driven, REQUEST_TIME};

/// How long kept answers are kept.
const ANSWER_TIME: Duration = Duration::from_secs(48 * 60 * 60);

/// Who takes the money.
#[derive(Clone, Debug)]
pub enum ProviderSettings {
    /// Stripe.
    Stripe(StripeSettings),
    /// Nobody: for development.
    Test,
}

/// What the service is told.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Nobody: the staff note when money has come.
    pub provider: Option<ProviderSettings>,
}

/// The payments service. Clones share it.
#[derive(Clone)]
pub struct Payments(Arc<Inner>);

/// The same for orders, which payments hold themselves: so neither keeps the other, and the database, for good.
#[derive(Clone)]
pub struct WeakPayments(Weak<Inner>);

struct Inner {
    store: PaymentStore,
    provider: Option<Arc<dyn Provider>>,
    /// The same where it is the one for development.
    test: Option<TestProvider>,
    publishable_key: Option<String>,
    secret: Secret,
    verifier: Arc<Verifier>,
    lists: Lists,
    clock: Clock,
}

impl std::fmt::Debug for Payments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payments").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WeakPayments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakPayments").finish_non_exhaustive()
    }
}

impl WeakPayments {
    /// The service. Refuses with `unavailable` when it has ended.
    pub fn upgrade(&self) -> Result<Payments> {
        let ended = || Error::new(Code::Unavailable, "this process is about to end");
        self.0.upgrade().map(Payments).ok_or_else(ended)
    }
}

impl Payments {
    /// The same without keeping it.
    #[must_use]
    pub fn downgrade(&self) -> WeakPayments {
        WeakPayments(Arc::downgrade(&self.0))
    }

    /// Opens the service on the database of the orders in `book`: tables come about here.
    pub async fn open(
        database: &Database,
        book: Arc<dyn OrderBook>,
        settings: Settings,
        verifier: Arc<Verifier>,
        sources: Sources,
    ) -> Result<Self> {
        let publishable_key = match &settings.provider {
            Some(ProviderSettings::Stripe(settings)) => settings.publishable_key.clone(),
            _ => None,
        };
        let is_test = matches!(settings.provider, Some(ProviderSettings::Test));
        let test = is_test.then(|| TestProvider::new(database.clone()));
        let provider: Option<Arc<dyn Provider>> = match settings.provider {
            Some(ProviderSettings::Stripe(settings)) => Some(Arc::new(Stripe::new(settings)?)),
            _ => test.clone().map(|test| Arc::new(test) as Arc<dyn Provider>),
        };
        let mut payments = Self::open_with(database, book, provider, verifier, sources).await?;
        (payments.test, payments.publishable_key) = (test, publishable_key);
        Ok(Self(Arc::new(payments)))
    }

    /// The same with any provider.
    async fn open_with(
        database: &Database,
        book: Arc<dyn OrderBook>,
        provider: Option<Arc<dyn Provider>>,
        verifier: Arc<Verifier>,
        sources: Sources,
    ) -> Result<Inner> {
        let Sources { clock, random } = sources;
        let (store, secret) = PaymentStore::open(database, book, &random).await?;
        let lists = Lists::default();
        let (test, publishable_key) = (None, None);
        Ok(Inner { store, provider, test, publishable_key, secret, verifier, lists, clock })
    }

    /// The name of who takes the money. Refuses with `payments-disabled` where nobody does.
    pub(crate) fn provider_name(&self) -> Result<ProviderName> {
        Ok(self.provider()?.name())
    }

    /// With which browsers talk to the provider.
    pub(crate) fn publishable_key(&self) -> Option<&str> {
        self.0.publishable_key.as_deref()
    }

    fn provider(&self) -> Result<&Arc<dyn Provider>> {
        let why = "this shop takes no payments: HOLDFAST_PAYMENTS names no provider";
        self.0.provider.as_ref().ok_or_else(|| Error::new(Code::PaymentsDisabled, why))
    }

    /// Refuses with `payments-disabled` a payment that another provider has, who is not asked any more.
    fn require_ours(&self, payment: &Payment) -> Result<()> {
        match self.provider()?.name() == payment.provider {
            true => Ok(()),
            false => {
                let other = payment.provider.as_str();
                let why =
                    format!("the payment was made at `{other}`, which this shop asks no more");
                Err(Error::new(Code::PaymentsDisabled, why))
            }
        }
    }

    /// Makes a payment, once per id, and begins it at the provider; says whether it was there before.
    pub(crate) async fn create(
        &self,
        new: NewPayment,
        operation: &Operation,
    ) -> Result<(Payment, bool)> {
        let (payment, replayed) = self.0.store.create(new, operation).await?;
        let begun = match (&payment.intent, payment.status.is_open()) {
            (Some(_), _) => payment,
            (None, true) => self.driven(payment.id).await?.into_payment()?,
            (None, false) => {
                let why = payment.failure.clone().unwrap_or_default();
                return Driven::Declined(Box::new(payment), why)
                    .into_payment()
                    .map(|it| (it, true));
            }
        };
        Ok((begun, replayed))
    }

    /// Looks at the provider how a payment stands, once per operation.
    pub(crate) async fn sync(
        &self,
        payment: &Payment,
        operation: &Operation,
    ) -> Result<(Payment, bool)> {
        let hint = |ledger: &mut Ledger, now| {
            ledger.payment.hint(now);
            Ok(())
        };
        self.ask(payment, operation, hint).await
    }

    /// Takes what was set aside, once per operation. Refuses with `invalid-transition` where nothing was, and with
    /// `payment-declined`.
    pub(crate) async fn capture(
        &self,
        payment: &Payment,
        operation: &Operation,
    ) -> Result<(Payment, bool)> {
        let want = |ledger: &mut Ledger, now| ledger.payment.want_capture(now).map(|_| ());
        let (payment, replayed) = self.ask(payment, operation, want).await?;
        Ok((payment.require_captured()?, replayed))
    }

    /// Calls a payment off, once per operation. Where the buyer was faster, it is captured after all. Refuses with
    /// `invalid-transition` what is over.
    pub(crate) async fn cancel(
        &self,
        payment: &Payment,
        operation: &Operation,
    ) -> Result<(Payment, bool)> {
        let close = |ledger: &mut Ledger, now| ledger.payment.call_off(now);
        self.ask(payment, operation, close).await
    }

    /// Changes a payment, once per operation, then asks the provider, and says how it stands now.
    async fn ask(
        &self,
        payment: &Payment,
        operation: &Operation,
        judge: impl Fn(&mut Ledger, Timestamp) -> Result<()> + Send + Sync + 'static,
    ) -> Result<(Payment, bool)> {
        let replayed = self.order(payment, operation, judge).await?;
        Ok((self.driven(payment.id).await?.into_payment()?, replayed))
    }

    /// Changes a payment, once per operation, which whoever asks is about to drive; says whether it was changed before.
    async fn order(
        &self,
        payment: &Payment,
        operation: &Operation,
        judge: impl Fn(&mut Ledger, Timestamp) -> Result<()> + Send + Sync + 'static,
    ) -> Result<bool> {
        self.require_ours(payment)?;
        let now = self.now();
        let judge = move |ledger: &mut Ledger| {
            judge(ledger, now)?;
            ledger.payment.leave_until(now.plus(REQUEST_TIME));
            Ok(())
        };
        let given = self.0.store.order(payment, operation, now, nothing, judge).await?;
        Ok(given.replayed)
    }

    /// Writes down what nobody can refuse.
    async fn write_down(
        &self,
        payment: &Payment,
        change: impl Fn(&mut Ledger, Timestamp) + Send + Sync + 'static,
    ) -> Result<Payment> {
        let now = self.now();
        let judge = move |ledger: &mut Ledger| {
            change(ledger, now);
            Ok(())
        };
        self.0.store.settle(payment, now, judge).await
    }

    /// Plays the buyer's part, once per operation. Refuses with `payments-disabled` where the provider is another.
    pub(crate) async fn play(
        &self,
        payment: &Payment,
        outcome: Outcome,
        operation: &Operation,
    ) -> Result<(Payment, bool)> {
        let why = "this shop takes real money: the buyer's part is played by buyers";
        let test = self.0.test.as_ref();
        let test = test.ok_or_else(|| Error::new(Code::PaymentsDisabled, why))?;
        if let Some(intent) = &payment.intent
            && self.0.store.replayed(operation).await?.is_none()
        {
            let played = test.act(intent, outcome).await;
            played.map_err(Refusal::into_error)?;
        }
        self.sync(payment, operation).await
    }

    /// Notes that something has happened at the provider, where a notification is genuine and about a payment of this shop, and
    /// looks at it. Refuses with `invalid-signature`.
    pub(crate) async fn notified(
        &self,
        headers: &axum::http::HeaderMap,
        body: &[u8],
    ) -> Result<()> {
        let now = self.now();
        let Hint { intent, payment } = self.provider()?.read_webhook(headers, body, now)?;
        let mut found = None;
        if let Some(intent) = intent {
            found = self.0.store.of_intent(&intent).await?;
        }
        if let (None, Some(id)) = (&found, payment) {
            found = self.0.store.get(id).await?;
        }
        let Some(payment) = found else { return Ok(()) };
        self.write_down(&payment, |ledger, now| ledger.payment.hint(now)).await?;
        let payments = self.clone();
        tokio::spawn(async move { payments.look(payment.id, false).await });
        Ok(())
    }

    /// What the service has told and nobody has collected.
    #[must_use]
    pub fn outbox(&self) -> Arc<dyn EventSource> {
        Arc::new(self.0.store.outbox().clone())
    }

    /// Makes payments that came from another database fit their refunds and their orders: parts of a shop are exported one after
    /// the other.
    pub async fn restore(&self) -> Result<()> {
        self.0.store.restore(self.now()).await
    }

    /// Refuses with `invalid-signature` what can be told not to be genuine before its body is read.
    pub(crate) fn check_webhook(&self, headers: &axum::http::HeaderMap) -> Result<()> {
        self.provider()?.check_webhook(headers, self.now())
    }

    /// How many payments there are, and what is wrong with them, a sentence each.
    pub async fn audit(&self) -> Result<(u64, Vec<String>)> {
        self.0.store.audit().await
    }

    /// Forgets answers that nobody asks for any more.
    pub async fn forget(&self) -> Result<()> {
        self.0.store.forget_answers(self.0.clock.before(ANSWER_TIME)).await
    }

    pub(crate) fn store(&self) -> &PaymentStore {
        &self.0.store
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0.secret
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0.verifier)
    }

    pub(crate) fn lists(&self) -> Lists {
        self.0.lists.clone()
    }
}

/// What a payment is answered is asked of it afterwards: it is kept that it was answered.
fn nothing(_: &Claimed) -> Result<Answer> {
    Ok(Answer { status: 204, etag: None, body: Vec::new() })
}
