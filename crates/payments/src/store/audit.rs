//! What an audit finds of money: sums are those of the refunds, and an order is paid by no more than one payment.

use std::collections::{BTreeMap, HashMap, HashSet};

use holdfast_types::{OrderId, ProductId, Result, Standing, Tally};

use super::PaymentStore;
use crate::model::{Payment, PaymentId, Refund, RefundStatus, restocked};

/// Payments that are held against their orders together.
const TOGETHER: usize = 200;

/// What was given back of a payment, and what is on its way.
type Sums = HashMap<PaymentId, (i64, i64)>;
/// Units that went back to the stock, of orders of which some did.
type Restocked = HashMap<OrderId, BTreeMap<ProductId, i64>>;

impl PaymentStore {
    /// How many payments there are, and what is wrong with them, a sentence each.
    pub(crate) async fn audit(&self) -> Result<(u64, Vec<String>)> {
        let (mut findings, mut count, mut sums) = (Vec::new(), 0, Sums::new());
        let mut stock = Restocked::new();
        // Refunds first: one that comes about meanwhile is found in the second look.
        let mut refunds = self.db.records::<Refund>().await?;
        while let Some(refund) = refunds.next().await? {
            // What cannot be read is found where all records are read.
            if let Ok(refund) = refund {
                add(&mut sums, &refund);
                for (product, units) in restocked(std::slice::from_ref(&refund)) {
                    *stock.entry(refund.order).or_default().entry(product).or_default() += units;
                }
            }
        }
        let mut payments = self.db.records::<Payment>().await?;
        let mut some = Vec::new();
        while let Some(payment) = payments.next().await? {
            let Ok(payment) = payment else { continue };
            count += 1;
            findings.extend(payment.finding());
            findings.extend(differ(&payment, sums.remove(&payment.id)));
            some.push(payment);
            if some.len() == TOGETHER {
                findings.extend(self.beside_orders(&mut some, &stock).await?);
            }
        }
        findings.extend(self.beside_orders(&mut some, &stock).await?);
        let alone = |(payment, _): (PaymentId, _)| {
            format!("money of payment {payment} goes back, but there is no such payment")
        };
        findings.extend(sums.into_iter().map(alone));
        let counted = self.tallies(i64::MIN..i64::MAX).await?;
        let differences = Tally::differences(counted, self.tallies_of_all().await?);
        findings.extend(differences.iter().map(Tally::finding));
        Ok((count, findings))
    }

    /// What is wrong with payments beside their orders.
    async fn beside_orders(
        &self,
        payments: &mut Vec<Payment>,
        stock: &Restocked,
    ) -> Result<Vec<String>> {
        let payments = std::mem::take(payments);
        let ids: HashSet<OrderId> = payments.iter().map(|payment| payment.order).collect();
        let standing = self.book.standing(ids.into_iter().collect()).await?;
        let standing: HashMap<OrderId, Standing> =
            standing.into_iter().map(|order| (order.order, order)).collect();
        let finding = |payment: &Payment| payment.finding_beside(standing.get(&payment.order));
        let stock_findings = standing.values().filter_map(|order| unlike(order, stock));
        Ok(payments.iter().filter_map(finding).chain(stock_findings).collect())
    }
}

/// What is wrong where units that were to go back to the stock are not back by what an order says that stands. It may say more: a
/// shop is exported part by part, and refunds before orders.
fn unlike(order: &Standing, stock: &Restocked) -> Option<String> {
    let units = stock.get(&order.order).filter(|_| order.is_paid)?;
    let says: BTreeMap<ProductId, i64> = order.returned.iter().copied().collect();
    let is_short = |(product, units): (&ProductId, &i64)| says.get(product) < Some(units);
    units.iter().any(is_short).then(|| {
        let id = order.order;
        format!(
            "order {id} has fewer units back in the stock than were refunded with a return to it"
        )
    })
}

fn add(sums: &mut Sums, refund: &Refund) {
    let (refunded, pending) = sums.entry(refund.payment).or_default();
    match refund.status {
        RefundStatus::Pending => *pending += refund.amount.amount,
        RefundStatus::Succeeded => *refunded += refund.amount.amount,
        RefundStatus::Failed => {}
    }
}

fn differ(payment: &Payment, sums: Option<(i64, i64)>) -> Option<String> {
    let (refunded, pending) = sums.unwrap_or_default();
    let says = (payment.refunded, payment.refund_pending);
    (says != (refunded, pending)).then(|| {
        format!(
            "payment {} says that {} minor units were given back and {} are on their way, but its refunds are {refunded} and {pending}",
            payment.id, says.0, says.1
        )
    })
}
