//! Refunds: never more than what was captured.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    account::{Account, Row, is_in_time},
    charges::Charge,
    params::{Metadata, Params},
    refusal::Refusal,
};

/// Reasons that a shop can give.
const REASONS: &[&str] = &["duplicate", "fraudulent", "requested_by_customer"];
/// Currencies without a smaller unit.
const WHOLE: &[&str] = &[
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
    "xaf", "xof", "xpf",
];

/// Where a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// The buyer has it, as far as anybody knows: it may still fail.
    Succeeded,
    /// The buyer's bank did not take it.
    Failed,
    /// It was stopped.
    Canceled,
}

impl RefundStatus {
    /// Whether its money is, or will be, the buyer's.
    pub(super) const fn counts(self) -> bool {
        matches!(self, Self::Pending | Self::Succeeded)
    }
}

/// Money given back.
#[derive(Clone, Debug)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) charge: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: RefundStatus,
    pub(super) created: i64,
    pub(super) reason: Option<String>,
    pub(super) metadata: Metadata,
}

impl Row for Refund {
    const OBJECT: &'static str = "refund";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn wire(&self) -> Value {
        let has_failed = self.status == RefundStatus::Failed;
        let mut object = json!({
            "id": self.id,
            "object": Self::OBJECT,
            "amount": self.amount,
            "balance_transaction": null,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "metadata": self.metadata,
            "payment_intent": self.intent,
            "reason": self.reason,
            "receipt_number": null,
            "status": self.status,
        });
        if has_failed {
            object["failure_reason"] = json!("expired_or_canceled_card");
        }
        object
    }
}

impl Account {
    /// `POST /v1/refunds`. It starts as `status`.
    pub(super) fn create_refund(
        &mut self,
        params: &Params,
        status: RefundStatus,
    ) -> Result<Value, Refusal> {
        params.allow(&["amount", "charge", "metadata", "payment_intent", "reason"])?;
        let wanted = params.amount("amount")?;
        let reason = params.choice("reason", REASONS)?.map(str::to_owned);
        let metadata = params.metadata()?;
        let mut charge = self.refundable(params)?;
        let amount = wanted.unwrap_or_else(|| charge.unrefunded());
        check_amount(&charge, amount)?;
        charge.amount_refunded += amount;
        let refund = Refund {
            id: self.id("re"),
            intent: charge.intent.clone(),
            charge: charge.id.clone(),
            amount,
            currency: charge.currency.clone(),
            status,
            created: self.now(),
            reason,
            metadata,
        };
        self.tell("refund.created", &refund);
        self.tell("charge.refunded", &charge);
        self.charges.put(charge);
        self.refunds.put(refund.clone());
        Ok(refund.wire())
    }

    /// `GET /v1/refunds/{id}`.
    pub(super) fn get_refund(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.refunds.named(id, "refund")?.wire())
    }

    /// `GET /v1/refunds`.
    pub(super) fn list_refunds(&self, params: &Params) -> Result<Value, Refusal> {
        params.allow(&[
            "charge",
            "created",
            "ending_before",
            "limit",
            "payment_intent",
            "starting_after",
        ])?;
        is_in_time(params, 0)?;
        let (intent, charge) = (params.text("payment_intent"), params.text("charge"));
        let passes = |refund: &Refund| {
            intent.is_none_or(|id| refund.intent == id)
                && charge.is_none_or(|id| refund.charge == id)
                && is_in_time(params, refund.created()).unwrap_or_default()
        };
        self.refunds.page(params, "/v1/refunds", passes)
    }

    /// `POST /v1/refunds/{id}`.
    pub(super) fn update_refund(&mut self, id: &str, params: &Params) -> Result<Value, Refusal> {
        params.allow(&["metadata"])?;
        let mut refund = self.refunds.named(id, "refund")?;
        params.merge_metadata(&mut refund.metadata)?;
        self.tell("refund.updated", &refund);
        self.refunds.put(refund.clone());
        Ok(refund.wire())
    }

    /// The buyer's bank decides. What is pending may become anything, what succeeded may only fail.
    pub(super) fn settle_refund(
        &mut self,
        id: &str,
        status: RefundStatus,
    ) -> Result<Value, Refusal> {
        let mut refund = self.refunds.named(id, "refund")?;
        let can = match refund.status {
            RefundStatus::Pending => status != RefundStatus::Pending,
            RefundStatus::Succeeded => status == RefundStatus::Failed,
            RefundStatus::Failed | RefundStatus::Canceled => false,
        };
        if !can {
            let message = "This refund is beyond that.";
            return Err(Refusal::new(400, "invalid_request_error", message));
        }
        refund.status = status;
        if !status.counts()
            && let Some(mut charge) = self.charges.get(&refund.charge).cloned()
        {
            charge.amount_refunded -= refund.amount;
            self.charges.put(charge);
        }
        self.tell("refund.updated", &refund);
        if status == RefundStatus::Failed {
            self.tell("refund.failed", &refund);
        }
        self.refunds.put(refund.clone());
        Ok(refund.wire())
    }

    /// The captured charge that the request names, itself or by its intent.
    fn refundable(&self, params: &Params) -> Result<Charge, Refusal> {
        let id = match (params.text("payment_intent"), params.text("charge")) {
            (None, None) => return Err(Refusal::missing("charge")),
            (None, Some(id)) => Some(id),
            (Some(id), _) => {
                let missing = || Refusal::no_such("payment_intent", id, "payment_intent");
                self.intents.get(id).ok_or_else(missing)?.latest_charge.as_deref()
            }
        };
        if params.text("payment_intent").is_none()
            && id.and_then(|id| self.charges.get(id)).is_none()
        {
            return Err(Refusal::no_such("charge", id.unwrap_or_default(), "charge"));
        }
        let charge = id.and_then(|id| self.charges.get(id)).filter(|charge| charge.is_captured);
        charge.cloned().ok_or_else(|| {
            let (what, id) = params
                .text("payment_intent")
                .map_or(("charge", id.unwrap_or_default()), |id| ("PaymentIntent", id));
            let message =
                format!("This {what} ({id}) does not have a successful charge to refund.");
            Refusal::new(400, "invalid_request_error", message).begun()
        })
    }
}

fn check_amount(charge: &Charge, amount: i64) -> Result<(), Refusal> {
    let rest = charge.unrefunded();
    if rest == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        let refusal = Refusal::new(400, "invalid_request_error", message);
        return Err(refusal.code("charge_already_refunded").begun());
    }
    if amount <= rest {
        return Ok(());
    }
    let worded = |amount| worded(amount, &charge.currency);
    let wanted = worded(amount);
    let message = if amount > charge.amount_captured {
        let whole = worded(charge.amount_captured);
        format!("Refund amount ({wanted}) is greater than charge amount ({whole})")
    } else {
        format!(
            "Refund amount ({wanted}) is greater than unrefunded amount on charge ({})",
            worded(rest)
        )
    };
    Err(Refusal::invalid("amount", message).begun())
}

/// An amount as Stripe's messages have it.
fn worded(amount: i64, currency: &str) -> String {
    let number = if WHOLE.contains(&currency) {
        amount.to_string()
    } else {
        format!("{}.{:02}", amount / 100, amount % 100)
    };
    match currency {
        "usd" => format!("${number}"),
        "eur" => format!("€{number}"),
        "gbp" => format!("£{number}"),
        "jpy" => format!("¥{number}"),
        _ => format!("{number} {}", currency.to_uppercase()),
    }
}
