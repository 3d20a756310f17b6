//! What payments look like on the wire.

use holdfast_types::{
    Answer, Error, Money, OrderId, Permission, Result, Timestamp, UserId, Validation,
    check_item_count, check_line, check_units,
};
use holdfast_web::auth::Caller;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Payments,
    model::{
        Capture, Payment, PaymentId, ProviderName, Refund, RefundId, RefundItem, RefundStatus,
        Status,
    },
    provider::Outcome,
};

/// Characters of a reason.
const REASON: usize = 200;

/// A payment to make for an order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreatePaymentBody {
    #[schema(value_type = uuid::Uuid)]
    pub(super) order_id: OrderId,
    /// When the money is taken: at once, unless it says `manual`.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) capture: Capture,
}

/// Who takes the money.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentProviderView)]
pub(super) struct ProviderView {
    /// Absent where nobody does: then the staff note when money has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<ProviderName>,
    /// With which a browser talks to Stripe, where `HOLDFAST_STRIPE_PUBLISHABLE_KEY` says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pk_live_51Hx…")]
    publishable_key: Option<String>,
}

impl ProviderView {
    pub(super) fn of(payments: &Payments) -> Self {
        let publishable_key = payments.publishable_key().map(str::to_owned);
        Self { provider: payments.provider_name().ok(), publishable_key }
    }
}

/// Money to give back.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RefundBody {
    /// Where it is left out: what the items cost, and without items all that is left.
    #[schema(required = false, value_type = Option<AmountBody>)]
    amount: Option<AmountBody>,
    /// Units of the order for which money goes back; one product may come twice, with `restock` and without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, min_items = 1, max_items = 200, value_type = Vec<RefundItem>)]
    items: Option<Vec<RefundItem>>,
    /// Why: for who may read refunds, and for whoever reads events.
    #[schema(min_length = 1, max_length = 200, format = "line", example = "One cup came broken.")]
    reason: Option<String>,
}

/// Minor units of the payment's currency, or an amount that says its currency.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = RefundAmount)]
enum AmountBody {
    /// 500 is 5.00 dollars.
    Units(i64),
    /// With its currency, which must be the payment's.
    Money(Money),
}

/// How many minor units, where it says so, for what, and why.
type Asked = (Option<i64>, Vec<RefundItem>, Option<String>);

impl RefundBody {
    /// What it asks for.
    pub(super) fn check(self, payment: &Payment) -> Result<Asked> {
        let mut validation = Validation::default();
        let count = self.items.as_ref().map_or(Ok(()), |items| check_item_count(items.len()));
        validation.take("#/items", count);
        let items = self.items.unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            if let Err(why) = check_units(item.quantity) {
                validation.refuse(&format!("#/items/{index}/quantity"), why);
            }
        }
        let (units, pointer) = match self.amount {
            None => (None, ""),
            Some(AmountBody::Units(units)) => (Some(units), "#/amount"),
            Some(AmountBody::Money(money)) => {
                if money.currency != payment.amount.currency {
                    let why = format!("the payment is in {}", payment.amount.currency);
                    validation.refuse("#/amount/currency", why);
                }
                (Some(money.amount), "#/amount/amount")
            }
        };
        if units.is_some_and(|units| units < 1) {
            validation.refuse(pointer, "expected 1 minor unit or more");
        }
        let reason = self.reason.as_deref().map_or(Ok(()), |text| check_line(text, REASON));
        validation.take("#/reason", reason);
        validation.finish().map(|()| (units, items, self.reason))
    }
}

/// What the buyer does.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TestBody {
    pub(super) outcome: Outcome,
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentView {
    #[schema(value_type = uuid::Uuid)]
    id: PaymentId,
    #[schema(value_type = uuid::Uuid)]
    order_id: OrderId,
    /// Whose order it is.
    #[schema(value_type = uuid::Uuid)]
    user_id: UserId,
    status: Status,
    amount: Money,
    capture: Capture,
    provider: ProviderName,
    /// What was taken, what was given back, and what is on its way back.
    captured: Money,
    refunded: Money,
    refund_pending: Money,
    /// What it is called where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pi_3MtwBwLkdIwHu7ix28a3tqPa")]
    reference: Option<String>,
    /// With which the buyer's browser pays at the provider: for the buyer alone, while the payment is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// Why it was refused the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// The first first; only where one payment is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    refunds: Option<Vec<RefundView>>,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        let money = |amount| Money { amount, currency: payment.amount.currency };
        Self {
            id: payment.id,
            order_id: payment.order,
            user_id: payment.user,
            status: payment.status,
            amount: payment.amount,
            capture: payment.capture,
            provider: payment.provider,
            captured: money(payment.captured),
            refunded: money(payment.refunded),
            refund_pending: money(payment.refund_pending),
            reference: payment.intent.clone(),
            client_secret: None,
            failure: payment.failure.clone(),
            version: payment.version.0,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
            refunds: None,
        }
    }
}

impl PaymentView {
    /// As `reader` sees it: the buyer alone pays.
    pub(super) fn to(reader: UserId, payment: &Payment) -> Self {
        let pays = reader == payment.user && payment.status.is_open();
        let client_secret = payment.client_secret.clone().filter(|_| pays);
        Self { client_secret, ..Self::from(payment) }
    }

    /// With that with which the buyer pays, for a program that makes payments for buyers.
    pub(super) fn reveal(&mut self, payment: &Payment) {
        self.client_secret.clone_from(&payment.client_secret);
    }

    /// With what was given back.
    pub(super) fn with(self, caller: &Caller, refunds: &[Refund]) -> Self {
        let is_staff = caller.may(Permission::RefundsRead);
        let view = |refund: &Refund| match is_staff {
            true => RefundView::from(refund),
            // What the staff say to each other is not for the buyer.
            false => RefundView { reason: None, by: None, ..RefundView::from(refund) },
        };
        let is_shown = is_staff || caller.user == self.user_id;
        Self { refunds: is_shown.then(|| refunds.iter().map(view).collect()), ..self }
    }
}

/// Money that goes back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundView {
    #[schema(value_type = uuid::Uuid)]
    id: RefundId,
    #[schema(value_type = uuid::Uuid)]
    payment_id: PaymentId,
    #[schema(value_type = uuid::Uuid)]
    order_id: OrderId,
    status: RefundStatus,
    amount: Money,
    /// For what, where that was said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    items: Vec<RefundItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Who asked for it, for who may read refunds; absent where the shop owed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    by: Option<UserId>,
    /// What it is called where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&Refund> for RefundView {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id,
            payment_id: refund.payment,
            order_id: refund.order,
            status: refund.status,
            amount: refund.amount,
            items: refund.items.clone(),
            reason: refund.reason.clone(),
            by: refund.by,
            reference: refund.reference.clone(),
            failure: refund.failure.clone(),
            version: refund.version.0,
            created_at: refund.created_at,
            updated_at: refund.updated_at,
        }
    }
}

/// Part of the payments, newest first.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(super) struct PaymentPage {
    items: Vec<PaymentView>,
    /// Where the next page begins; null on the last. A page may be shorter than was asked for, and still not be the last.
    next_cursor: Option<String>,
}

/// The answer to a step, as `reader` sees it.
pub(super) fn shown(reader: UserId, payment: &Payment) -> Result<Answer> {
    Answer::ok(payment.etag(), &PaymentView::to(reader, payment))
}

/// The answer to a refund.
pub(super) fn refunded(refund: &Refund) -> Result<Answer> {
    let body = serde_json::to_vec(&RefundView::from(refund)).map_err(Error::internal)?;
    Ok(Answer { status: 201, etag: None, body })
}
