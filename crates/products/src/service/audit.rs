//! The audit of stock: what is reserved is what held reservations hold, nothing is oversold, and every journal adds up.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use holdfast_types::{HoldId, OrderLine, ProductId, ReservationState};

use crate::{
    model::{Claim, Hold, Movement, Numbers, Product},
    store::portable::Record,
};

/// Findings after which an audit stops listing.
const FINDINGS: usize = 100;

/// An audit of records in the order of [`crate::Products::dump`]: of one product after the other, and of what
/// reservations hold.
#[derive(Debug, Default)]
pub struct Audit {
    /// Units that held reservations hold, by product.
    held: HashMap<ProductId, i64>,
    /// Reservations that hold stock for holds, less the holds that are open.
    holds: HashSet<HoldId>,
    /// What reservations claim of limits, less what is counted for customers, by product and by the last byte of the order's id.
    claims: BTreeMap<(ProductId, u8), Claimed>,
    /// The product whose journal is being read.
    open: Option<Books>,
    products: u64,
    findings: Vec<String>,
}

/// A sum over claims, in whatever order they come: each is told from any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Claimed {
    units: i64,
    digest: i64,
}

impl Claimed {
    /// The digest tells the finding from that of another look, after more was ordered.
    fn finding(&self, product: ProductId, last: u8) -> String {
        let Self { units, digest } = self;
        format!(
            "product {product}: what is counted against its limit for customers is not what orders claim whose ids end in {last:02x}: {units} units more (digest {digest:x})"
        )
    }
}

/// One product's numbers, as its row and as its journal have them.
#[derive(Clone, Copy, Debug)]
struct Books {
    product: ProductId,
    numbers: Numbers,
    /// The number of the last line, as long as none is missing.
    last: i64,
    gap: bool,
    /// What the journal adds up to.
    quantity: i64,
    /// The same, for the units promised.
    reserved: i64,
}

impl Audit {
    /// Looks at the next record.
    pub(crate) fn see(&mut self, record: &Record) {
        match record {
            Record::Unconfirmed { .. } => {}
            Record::Reservation(found) => {
                if found.state == ReservationState::Held {
                    self.hold(&found.lines);
                    self.holds.extend(found.is_hold().then(|| HoldId::new(found.id.uuid())));
                }
                Claim::all_of(found).iter().for_each(|claim| self.claim(claim, 1));
            }
            Record::Product(product) => self.begin(product),
            Record::Movement(product, movement) => match &mut self.open {
                Some(books) if books.product == *product => books.add(movement),
                _ => {}
            },
        }
    }

    fn hold(&mut self, lines: &[OrderLine]) {
        for line in lines {
            *self.held.entry(line.product_id).or_default() += line.quantity;
        }
    }

    /// Looks at what is counted for a customer.
    pub(crate) fn see_counted(&mut self, claim: &Claim) {
        self.claim(claim, -1);
    }

    /// Looks at a hold: an open one has its stock.
    pub(crate) fn see_hold(&mut self, hold: &Hold) {
        if hold.end.is_none() && !self.holds.remove(&hold.id) {
            self.find(format!("hold {} is open, but holds no stock", hold.id));
        }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }

    fn claim(&mut self, claim: &Claim, times: i64) {
        if claim.units == 0 {
            return;
        }
        let mut hasher = DefaultHasher::new();
        (claim.order, claim.customer, claim.units).hash(&mut hasher);
        let [.., last] = *claim.order.bytes();
        let claimed = self.claims.entry((claim.product, last)).or_default();
        claimed.units += claim.units * times;
        let digest = hasher.finish().cast_signed().wrapping_mul(times);
        claimed.digest = claimed.digest.wrapping_add(digest);
    }

    fn begin(&mut self, product: &Product) {
        self.close();
        self.products += 1;
        self.open = Some(Books {
            product: product.id,
            numbers: product.numbers(),
            last: 0,
            gap: false,
            quantity: 0,
            reserved: 0,
        });
    }

    fn close(&mut self) {
        if let Some(books) = self.open.take() {
            let held = self.held.remove(&books.product).unwrap_or(0);
            let room = FINDINGS.saturating_sub(self.findings.len());
            self.findings.extend(books.findings(held).into_iter().take(room));
        }
    }

    /// How many products there were, and one sentence for each broken promise; 100 at most.
    #[must_use]
    pub fn finish(mut self) -> (u64, Vec<String>) {
        self.close();
        for hold in std::mem::take(&mut self.holds) {
            self.find(format!("hold {hold} holds stock, and nobody will let go of it"));
        }
        let room = FINDINGS.saturating_sub(self.findings.len());
        let miscounted = self.claims.iter().filter(|(_, claimed)| **claimed != Claimed::default());
        self.findings
            .extend(miscounted.take(room).map(|((id, last), claimed)| claimed.finding(*id, *last)));
        let room = FINDINGS.saturating_sub(self.findings.len());
        let strays = self.held.iter().filter(|(_, units)| **units != 0).take(room);
        self.findings.extend(strays.map(|(id, units)| {
            format!("{units} units of product {id} are held, but there is no such product")
        }));
        (self.products, self.findings)
    }
}

impl Books {
    fn add(&mut self, movement: &Movement) {
        self.gap |= movement.sequence != self.last + 1;
        self.last = movement.sequence;
        self.quantity += movement.quantity_delta;
        self.reserved += movement.reserved_delta;
    }

    fn findings(&self, held: i64) -> Vec<String> {
        let Self { product: id, numbers, last, gap, .. } = self;
        let Numbers { quantity, reserved, sequence } = numbers;
        let mut findings = Vec::new();
        if *reserved != held {
            findings.push(format!(
                "product {id}: {reserved} units are reserved, but held reservations hold {held}"
            ));
        }
        if !(0..=*quantity).contains(reserved) {
            findings.push(format!(
                "product {id}: {reserved} of {quantity} units are reserved: oversold"
            ));
        }
        if *gap || last != sequence {
            let gaps = if *gap { "with gaps " } else { "" };
            findings.push(format!(
                "product {id}: the journal goes {gaps}up to line {last}, but {sequence} were written"
            ));
        }
        if (self.quantity, self.reserved) != (*quantity, *reserved) {
            findings.push(format!("product {id}: the journal does not add up to {quantity} units with {reserved} reserved"));
        }
        findings
    }
}
