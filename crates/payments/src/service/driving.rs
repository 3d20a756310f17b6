//! Asking the provider: what is to be asked stands on the rows, and what it answers is written down before the next step. A
//! process may end between any two of them; whoever looks at the payment next goes on.

use std::time::Duration;

use holdfast_types::{Code, Error, Result};

use super::Payments;
use crate::{
    model::{Ledger, Payment, PaymentId, Refund, Status, Step, Wanted},
    provider::{Intent, Provider, Refusal},
};

/// Steps that one look takes.
const STEPS: usize = 16;
/// How long a request waits for the provider; the payment goes on without it.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(20);
const LAPSED: &str = "the authorisation has lapsed, or was called off";

/// How a payment stands when nothing more can be done now.
#[derive(Clone, Debug)]
pub(crate) enum Driven {
    Settled(Box<Payment>),
    /// The provider will not.
    Declined(Box<Payment>, String),
    /// The provider has not said what it did.
    Waiting(String),
}

impl Driven {
    /// Refuses with `payment-declined` or `unavailable`.
    pub(crate) fn into_payment(self) -> Result<Payment> {
        match self {
            Self::Settled(payment) => Ok(*payment),
            Self::Declined(payment, why) => {
                let refusal = Error::new(Code::PaymentDeclined, why);
                Err(refusal.with("paymentId", payment.id.to_string()))
            }
            Self::Waiting(why) => {
                let words = "the payment provider has not answered: it is asked again; repeat with the same key";
                Err(Error::new(Code::Unavailable, words).with_source(why))
            }
        }
    }
}

impl Refusal {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Declined(why) => Error::new(Code::PaymentDeclined, why),
            Self::Unknown(why) | Self::Failed(why) => {
                Error::new(Code::Unavailable, "the payment provider has not answered")
                    .with_source(why)
            }
        }
    }
}

/// What a step led to.
enum Next {
    /// The next may follow; how it went.
    On(&'static str),
    /// It cannot be had yet.
    Later,
    Declined(String),
    Waiting(String),
}

impl Payments {
    /// The same as [`Self::drive`] for a request: the steps go on when it does not wait any longer.
    pub(super) async fn driven(&self, id: PaymentId) -> Result<Driven> {
        let payments = self.clone();
        let driving = tokio::spawn(async move { payments.drive(id, false).await });
        let late =
            || Error::new(Code::Timeout, "the payment is on its way: repeat with the same key");
        let driven = tokio::time::timeout(REQUEST_TIME, driving).await.map_err(|_| late())?;
        driven.map_err(Error::internal)?
    }

    /// Asks what is to be asked of a payment, step by step. `is_due`: also how it stands.
    pub(crate) async fn drive(&self, id: PaymentId, is_due: bool) -> Result<Driven> {
        let (mut is_due, mut tried, mut unknown) = (is_due, Vec::new(), None);
        for _ in 0..STEPS {
            let ledger = self.0.store.ledger(id).await?;
            let ledger = ledger.ok_or_else(|| Error::not_found("payment"))?;
            let provider = self.0.provider.as_ref();
            let ours = provider.filter(|provider| provider.name() == ledger.payment.provider);
            let (Some(provider), Some(step)) = (ours, ledger.step(is_due, &tried, self.now()))
            else {
                let is_waiting = ours.is_none() || !tried.is_empty();
                let rested = self.rest(ledger.payment, is_waiting).await?;
                return Ok(unknown.map_or(rested, Driven::Waiting));
            };
            is_due = false;
            let next = match &step {
                Step::Create | Step::Fetch(_) | Step::Capture(_) | Step::Cancel(_) => {
                    self.ask_payment(&**provider, &ledger.payment, &step).await?
                }
                Step::Refund(intent, refund) => {
                    tried.push(refund.id);
                    self.ask_refund(&**provider, &ledger.payment, intent, refund).await?
                }
            };
            note(&step, &next);
            match next {
                Next::On(_) => {}
                // Other refunds need not wait for this one.
                Next::Waiting(why) if matches!(step, Step::Refund(..)) => unknown = Some(why),
                Next::Later => {
                    let payment = self.look_later(&ledger.payment, true).await?;
                    return Ok(Driven::Settled(Box::new(payment)));
                }
                Next::Declined(why) => {
                    let payment = self.0.store.get(id).await?;
                    let payment = payment.ok_or_else(|| Error::not_found("payment"))?;
                    return Ok(Driven::Declined(Box::new(payment), why));
                }
                Next::Waiting(why) => {
                    self.look_later(&ledger.payment, true).await?;
                    return Ok(Driven::Waiting(why));
                }
            }
        }
        Ok(Driven::Waiting("a payment wants too many steps at once".to_owned()))
    }

    /// Decides when a payment is looked at again of which nothing is to be asked now.
    async fn rest(&self, payment: Payment, is_waiting: bool) -> Result<Driven> {
        let rested = match payment.is_over() {
            true => payment,
            false => self.look_later(&payment, is_waiting).await?,
        };
        Ok(Driven::Settled(Box::new(rested)))
    }

    async fn look_later(&self, payment: &Payment, is_waiting: bool) -> Result<Payment> {
        let later = move |ledger: &mut Ledger, now| ledger.payment.look_later(now, is_waiting);
        self.write_down(payment, later).await
    }

    async fn ask_payment(
        &self,
        provider: &dyn Provider,
        payment: &Payment,
        step: &Step,
    ) -> Result<Next> {
        let intent = Intent::of(payment);
        let answer = match step {
            Step::Capture(name) => provider.capture(name, &intent).await,
            Step::Cancel(name) => provider.cancel(name, &intent).await,
            Step::Fetch(name) => provider.fetch(name, payment.amount).await,
            Step::Create | Step::Refund(..) => provider.create(&intent).await,
        };
        let hints = payment.hints;
        let seen = match (answer, &payment.intent) {
            (Ok(seen), _) => seen,
            (Err(Refusal::Unknown(why)), _) => return Ok(Next::Waiting(why)),
            (Err(Refusal::Failed(why)), _) => {
                self.next_attempt(payment).await?;
                return Ok(Next::Waiting(why));
            }
            (Err(Refusal::Declined(why)), None) => {
                let words = why.clone();
                self.write_down(payment, move |ledger, _| ledger.payment.fail(&words)).await?;
                return Ok(Next::Declined(why));
            }
            // It is not as we think: then how is it?
            (Err(Refusal::Declined(why)), Some(name)) => {
                return self.look_after(provider, payment, name, step, why).await;
            }
        };
        self.write_down(payment, move |ledger, _| ledger.see(&seen, hints)).await?;
        Ok(Next::On("done"))
    }

    /// Sees how a payment stands that the provider would not capture or call off.
    async fn look_after(
        &self,
        provider: &dyn Provider,
        payment: &Payment,
        name: &str,
        step: &Step,
        why: String,
    ) -> Result<Next> {
        let seen = match provider.fetch(name, payment.amount).await {
            Ok(seen) => seen,
            Err(Refusal::Unknown(why) | Refusal::Failed(why) | Refusal::Declined(why)) => {
                return Ok(Next::Waiting(why));
            }
        };
        let (hints, is_capture) = (payment.hints, matches!(step, Step::Capture(_)));
        let words = why.clone();
        let see = move |ledger: &mut Ledger, _| {
            ledger.see(&seen, hints);
            let payment = &mut ledger.payment;
            // Under the same key it would be refused again, whatever has changed since.
            payment.attempt += 1;
            if is_capture && payment.status == Status::Authorized {
                payment.wanted = payment.wanted.filter(|wanted| *wanted != Wanted::Capture);
                payment.failure = Some(words.clone());
            }
        };
        let payment = self.write_down(payment, see).await?;
        Ok(match (step, payment.status) {
            (Step::Capture(_), Status::Captured) => Next::On("done"),
            (Step::Capture(_), Status::Cancelled) => Next::Declined(LAPSED.to_owned()),
            (Step::Capture(_), _) => Next::Declined(why),
            (Step::Cancel(_), status) if status.is_open() => Next::Later,
            _ => Next::On("declined"),
        })
    }

    async fn ask_refund(
        &self,
        provider: &dyn Provider,
        payment: &Payment,
        intent: &str,
        refund: &Refund,
    ) -> Result<Next> {
        let id = refund.id;
        if refund.asked_at.is_none() {
            self.write_down(payment, move |ledger, now| ledger.ask_refund(id, now)).await?;
        }
        match provider.refund(intent, refund, refund.is_key_stale(self.now())).await {
            Ok(seen) => {
                self.write_down(payment, move |ledger, _| ledger.see_refund(id, &seen)).await?;
                Ok(Next::On("done"))
            }
            Err(Refusal::Declined(why)) => {
                self.write_down(payment, move |ledger, _| ledger.refuse_refund(id, &why)).await?;
                Ok(Next::On("declined"))
            }
            Err(Refusal::Failed(why)) => {
                self.write_down(payment, move |ledger, _| ledger.fail_refund(id)).await?;
                Ok(Next::Waiting(why))
            }
            Err(Refusal::Unknown(why)) => Ok(Next::Waiting(why)),
        }
    }

    /// What the provider keeps under the key is a failure: another key may do better.
    async fn next_attempt(&self, payment: &Payment) -> Result<()> {
        let next = payment.attempt + 1;
        let note = move |ledger: &mut Ledger, _| {
            ledger.payment.attempt = ledger.payment.attempt.max(next);
        };
        self.write_down(payment, note).await.map(|_| ())
    }
}

/// Counts what was asked, and how that went.
fn note(step: &Step, next: &Next) {
    let outcome = match next {
        Next::On(outcome) => outcome,
        Next::Later | Next::Declined(_) => "declined",
        Next::Waiting(_) => "unknown",
    };
    metrics::counter!("payment_provider_calls_total", "call" => step.name(), "outcome" => outcome)
        .increment(1);
}
