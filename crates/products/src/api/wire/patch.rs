//! Merge patches (RFC 7396): what is absent stays, `null` clears.

use std::collections::BTreeMap;

use holdfast_types::{
    Currency, Result, Timestamp, Validation, check_line as line, check_prose as prose, is_pair,
    metadata_patch_schema,
};
use holdfast_web::{not_null, present};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{check_amount, check_images, check_limit, check_moment, check_quantity};
use crate::model::{
    Image, MetadataPatch, PricePatch, ProductPatch, SaleWindow, SaleWindowPatch, Status,
};

/// Some members of a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PatchBody {
    /// The version that the change is based on; or send `If-Match`.
    #[expect(dead_code, reason = "the basis is read before the rest of the body")]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, format = "line")]
    sku: Option<Option<String>>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, min_length = 1, max_length = 200, format = "line")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 10_000, format = "prose")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, format = "line")]
    category: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<Image>>, max_items = 10)]
    images: Option<Option<Vec<Image>>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = metadata_patch_schema)]
    metadata: Option<Option<BTreeMap<String, Option<String>>>>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = PricePatchBody)]
    price: Option<PricePatchBody>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = i64, minimum = 0, maximum = 1_000_000_000)]
    quantity: Option<i64>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Status)]
    status: Option<Status>,
    /// `null` lets it be ordered always.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<SaleWindowPatchBody>)]
    sale_window: Option<Option<SaleWindowPatchBody>>,
    /// Units that one customer may order, 1 to 1,000; `null` lets them order as many as there are.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000)]
    limit_per_customer: Option<Option<i64>>,
}

/// Some members of a price.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PricePatchBody {
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = i64, minimum = 0, maximum = 1_000_000_000_000_i64)]
    amount: Option<i64>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Currency)]
    currency: Option<String>,
}

/// Some members of a sale window.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SaleWindowPatch)]
struct SaleWindowPatchBody {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    opens_at: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    closes_at: Option<Option<Timestamp>>,
}

impl PatchBody {
    /// Checks every member that is there.
    pub(crate) fn check(self) -> Result<ProductPatch> {
        let mut validation = Validation::default();
        let mut check = |member: &str, checked: Option<Result<(), String>>| {
            validation.take(&format!("#/{member}"), checked.unwrap_or(Ok(())));
        };
        let inner = |text: &Option<Option<String>>| text.as_ref().and_then(Clone::clone);
        check("sku", inner(&self.sku).map(|text| line(&text, 64)));
        check("name", self.name.as_deref().map(|text| line(text, 200)));
        check("description", inner(&self.description).map(|text| prose(&text, 10_000)));
        check("category", inner(&self.category).map(|text| line(&text, 100)));
        check("images", self.images.as_ref().and_then(Option::as_deref).map(check_images));
        check("metadata", self.metadata.as_ref().and_then(Option::as_ref).map(check_members));
        check("quantity", self.quantity.map(check_quantity));
        let window = self.sale_window.flatten();
        let opens_at = window.and_then(|window| window.opens_at.flatten());
        let closes_at = window.and_then(|window| window.closes_at.flatten());
        check("saleWindow/opensAt", Some(check_moment(opens_at)));
        check("saleWindow/closesAt", Some(check_moment(closes_at)));
        check("limitPerCustomer", Some(check_limit(self.limit_per_customer.flatten())));
        let price = self.price.as_ref();
        check("price/amount", price.and_then(|price| price.amount).map(check_amount));
        let currency = price.and_then(|price| price.currency.as_deref());
        let currency =
            validation.take("#/price/currency", currency.map(str::parse::<Currency>).transpose());
        validation.finish()?;
        Ok(ProductPatch {
            sku: self.sku,
            name: self.name,
            description: self.description,
            category: self.category,
            images: self.images.map(Option::unwrap_or_default),
            metadata: self.metadata.map(metadata_patch),
            price: self
                .price
                .map(|price| PricePatch { amount: price.amount, currency: currency.flatten() }),
            status: self.status,
            sale_window: self.sale_window.map(window_patch),
            limit_per_customer: self.limit_per_customer,
            quantity: self.quantity,
        })
    }
}

fn window_patch(members: Option<SaleWindowPatchBody>) -> SaleWindowPatch {
    let nothing = SaleWindowPatch::replacing(SaleWindow::default());
    members.map_or(nothing, |SaleWindowPatchBody { opens_at, closes_at }| SaleWindowPatch {
        opens_at,
        closes_at,
    })
}

fn metadata_patch(members: Option<BTreeMap<String, Option<String>>>) -> MetadataPatch {
    members.map_or_else(|| MetadataPatch::Replace(BTreeMap::new()), MetadataPatch::Merge)
}

fn check_members(members: &BTreeMap<String, Option<String>>) -> Result<(), String> {
    match members.iter().all(|(name, value)| is_pair(name, value.as_deref().unwrap_or_default())) {
        true => Ok(()),
        false => Err("expected names of 1 to 40 and values of at most 500 characters".into()),
    }
}
