//! Giving money back that was taken.

use holdfast_types::{Operation, Result};

use super::{Payments, driving::REQUEST_TIME, nothing};
use crate::model::{Claim, Payment};

impl Payments {
    /// Claims money that was taken, once per operation, then asks the provider to give it back; says whether it was claimed before.
    /// Units that go back to the stock are for sale again. Refuses as [`crate::store::PaymentStore::claim`] does.
    pub(crate) async fn refund(
        &self,
        payment: &Payment,
        claim: Claim,
        operation: &Operation,
    ) -> Result<bool> {
        self.require_ours(payment)?;
        // Answers are kept for a while, refunds for good.
        if self.0.store.refund(claim.id).await?.is_some() {
            self.0.store.replayed(operation).await?;
            return Ok(true);
        }
        let (id, restocks, now) = (claim.id, claim.restocks(), self.now());
        let times = [now, now.plus(REQUEST_TIME)];
        let given = self.0.store.claim(payment, claim, operation, times, nothing).await?;
        // What does not come about now, the sweeps repeat. Neither waits for the other.
        let stock = async {
            let moved =
                if restocks { self.0.store.move_stock(payment.order).await } else { Ok(()) };
            if let Err(error) = moved {
                tracing::warn!(%error, order = %payment.order, "stock will follow later");
            }
        };
        let money = async {
            if let Err(error) = self.driven(payment.id).await {
                tracing::warn!(%error, refund = %id, "money goes back later");
            }
        };
        tokio::join!(stock, money);
        Ok(given.replayed)
    }
}
