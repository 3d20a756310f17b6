//! Charges: one for every attempt to pay that came to an end.

use serde_json::{Value, json};

use super::{
    account::{Account, Row},
    intents::Intent,
    refusal::Refusal,
};

/// One attempt to pay.
#[derive(Clone, Debug)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) currency: String,
    pub(super) amount: i64,
    pub(super) amount_captured: i64,
    /// What is given back or on its way; what failed is not in it.
    pub(super) amount_refunded: i64,
    pub(super) is_captured: bool,
    /// Why it was declined.
    pub(super) decline_code: Option<&'static str>,
    pub(super) created: i64,
}

impl Charge {
    /// What could still be given back.
    pub(super) fn unrefunded(&self) -> i64 {
        self.amount_captured - self.amount_refunded
    }
}

impl Row for Charge {
    const OBJECT: &'static str = "charge";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn wire(&self) -> Value {
        let has_failed = self.decline_code.is_some();
        json!({
            "id": self.id,
            "object": Self::OBJECT,
            "amount": self.amount,
            "amount_captured": self.amount_captured,
            "amount_refunded": self.amount_refunded,
            "captured": self.is_captured,
            "created": self.created,
            "currency": self.currency,
            "disputed": false,
            "failure_code": self.decline_code.map(|_| "card_declined"),
            "livemode": false,
            "metadata": {},
            "paid": !has_failed,
            "payment_intent": self.intent,
            "refunded": self.is_captured && self.unrefunded() == 0,
            "status": if has_failed { "failed" } else { "succeeded" },
        })
    }
}

impl Account {
    /// Adds the charge of an attempt, and makes it the intent's latest.
    pub(super) fn add_charge(&mut self, intent: &mut Intent, decline_code: Option<&'static str>) {
        let is_captured = decline_code.is_none() && !intent.is_manual();
        let charge = Charge {
            id: self.id("ch"),
            intent: intent.id.clone(),
            currency: intent.currency.clone(),
            amount: intent.amount,
            amount_captured: if is_captured { intent.amount } else { 0 },
            amount_refunded: 0,
            is_captured,
            decline_code,
            created: self.now(),
        };
        intent.latest_charge = Some(charge.id.clone());
        self.charges.put(charge);
    }

    /// `GET /v1/charges/{id}`.
    pub(super) fn get_charge(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.charges.named(id, "id")?.wire())
    }
}
