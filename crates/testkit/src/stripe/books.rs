//! What the double has taken and given back: what the books of a shop are compared with.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{account::Account, params::Metadata, refunds::RefundStatus};

/// All intents and all refunds, the first first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// The intents, with their sums.
    pub intents: Vec<BookedIntent>,
    /// The refunds.
    pub refunds: Vec<BookedRefund>,
}

/// An intent, in the books. Amounts are in the currency's least unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedIntent {
    /// Its id.
    pub id: String,
    /// Stripe's word for where it is.
    pub status: String,
    /// What was asked for.
    pub amount: i64,
    /// What is reserved and not captured.
    pub amount_capturable: i64,
    /// What was taken.
    pub amount_received: i64,
    /// The sum of the refunds that succeeded.
    pub amount_refunded: i64,
    /// The sum of the refunds on their way.
    pub amount_refund_pending: i64,
    /// The currency, in small letters.
    pub currency: String,
    /// What the shop noted.
    pub metadata: Metadata,
}

/// A refund, in the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedRefund {
    /// Its id.
    pub id: String,
    /// The intent.
    pub payment_intent: String,
    /// Its amount, in the currency's least unit.
    pub amount: i64,
    /// Where it is.
    pub status: RefundStatus,
    /// What the shop noted.
    pub metadata: Metadata,
}

impl Account {
    /// The books of now.
    pub(super) fn books(&self) -> Books {
        let mut sums: HashMap<&str, [i64; 2]> = HashMap::new();
        for refund in self.refunds.all().filter(|refund| refund.status.counts()) {
            let is_pending = refund.status == RefundStatus::Pending;
            sums.entry(&refund.intent).or_default()[usize::from(is_pending)] += refund.amount;
        }
        let intents = self.intents.all().map(|intent| {
            let [refunded, pending] = sums.get(intent.id.as_str()).copied().unwrap_or_default();
            BookedIntent {
                id: intent.id.clone(),
                status: intent.status.name().to_owned(),
                amount: intent.amount,
                amount_capturable: intent.amount_capturable,
                amount_received: intent.amount_received,
                amount_refunded: refunded,
                amount_refund_pending: pending,
                currency: intent.currency.clone(),
                metadata: intent.metadata.clone(),
            }
        });
        let refunds = self.refunds.all().map(|refund| BookedRefund {
            id: refund.id.clone(),
            payment_intent: refund.intent.clone(),
            amount: refund.amount,
            status: refund.status,
            metadata: refund.metadata.clone(),
        });
        Books { intents: intents.collect(), refunds: refunds.collect() }
    }
}
