//! What products tell the world.

use holdfast_types::{Message, Money, ProductId, Timestamp, UserId, Version};
use serde::Serialize;
use serde_json::json;

use super::{Numbers, Product, SaleWindow, Status, Written};

/// A product, as events show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventData<'a> {
    product_id: ProductId,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    price: Money,
    quantity: i64,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    sale_window: Option<SaleWindow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_per_customer: Option<i64>,
    seller_id: UserId,
}

impl Numbers {
    /// Units that can be ordered.
    pub(crate) const fn available(self) -> i64 {
        self.quantity - self.reserved
    }

    /// Says that the last unit has gone, or that there are some again. Selling does not move a product's version; the number of
    /// the movement stands in its place.
    pub(crate) fn message_after(
        self,
        before: i64,
        product: ProductId,
        at: Timestamp,
    ) -> Option<Message> {
        let kind = match (before > 0, self.available() > 0) {
            (true, false) => "product.sold_out",
            (false, true) => "product.restocked",
            (true, true) | (false, false) => return None,
        };
        Some(Message {
            kind: kind.into(),
            subject: product.uuid(),
            version: Version(self.sequence),
            at,
            data: Some(json!({ "productId": product, "available": self.available() })),
        })
    }
}

impl Written {
    /// What there is to tell of it: what became of the product, then of its stock.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        let product = &self.product;
        let (kind, before) = match &self.before {
            None => ("product.created", product.available()),
            Some(before) => (kind_of(before, product), before.available()),
        };
        let about = Message {
            kind: kind.into(),
            subject: product.id.uuid(),
            version: product.version,
            at: product.updated_at,
            data: serde_json::to_value(EventData::from(product)).ok(),
        };
        let stock = product.numbers().message_after(before, product.id, product.updated_at);
        [Some(about), stock].into_iter().flatten()
    }
}

fn kind_of(before: &Product, product: &Product) -> &'static str {
    match (before.details.status, product.details.status) {
        (Status::Active, Status::Archived) => "product.archived",
        _ => "product.updated",
    }
}

impl<'a> From<&'a Product> for EventData<'a> {
    fn from(product: &'a Product) -> Self {
        let details = &product.details;
        Self {
            product_id: product.id,
            sku: details.sku.as_deref(),
            name: &details.name,
            category: details.category.as_deref(),
            price: details.price,
            quantity: product.quantity,
            status: details.status,
            sale_window: details.sale_window.shown(),
            limit_per_customer: details.limit_per_customer,
            seller_id: product.seller,
        }
    }
}
