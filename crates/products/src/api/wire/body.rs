//! Requests that say everything about a product.

use std::collections::BTreeMap;

use holdfast_types::{
    Currency, Error, FieldError, Money, Result, Timestamp, Validation, check_line as line,
    check_metadata, check_prose as prose, metadata_schema,
};
use holdfast_web::present;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{Object, ObjectBuilder},
    },
};

use super::super::pictures::is_own;
use crate::model::{
    Details, Image, LIMIT_MAX, NEVER_OPEN, Offer, PRICE_MAX, QUANTITY_MAX, SaleWindow, Status,
};

/// Members that `GET` returns and `PUT` ignores, so that get, change, put works.
const READ_ONLY: [&str; 6] = ["id", "reserved", "available", "sellerId", "createdAt", "updatedAt"];

/// Everything about a product that its seller decides.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProductBody {
    /// The version that a `PUT`, or an update in a batch, is based on.
    #[schema(minimum = 1)]
    pub(crate) version: Option<i64>,
    /// 1 to 64 characters; unique when there is one.
    #[schema(min_length = 1, max_length = 64, format = "line", example = "TEA-1")]
    sku: Option<String>,
    #[schema(min_length = 1, max_length = 200, format = "line", example = "Teapot")]
    name: String,
    #[schema(max_length = 10_000, format = "prose")]
    description: Option<String>,
    #[schema(min_length = 1, max_length = 100, format = "line", example = "Kitchen")]
    category: Option<String>,
    #[schema(max_items = 10)]
    images: Option<Vec<Image>>,
    #[schema(schema_with = metadata_schema)]
    metadata: Option<BTreeMap<String, String>>,
    price: PriceBody,
    /// Units on hand.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(crate) quantity: Option<i64>,
    pub(crate) status: Option<Status>,
    /// When it may be ordered: a new product always, where it is left out; of one that is replaced it stays then. `null`: always.
    #[serde(default, deserialize_with = "present")]
    #[schema(required = false, value_type = Option<SaleWindow>)]
    sale_window: Option<Option<SaleWindow>>,
    /// Units that one customer may order, over all of their orders from now on: as many as there are, where a new product leaves
    /// it out; of one that is replaced it stays then. `null`: as many as there are.
    #[serde(default, deserialize_with = "present")]
    #[schema(required = false, value_type = Option<i64>, minimum = 1, maximum = 1_000)]
    limit_per_customer: Option<Option<i64>>,
}

/// An amount in minor units.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PriceBody {
    /// 0 to 10^12.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, example = 1999)]
    amount: i64,
    #[schema(value_type = Currency, example = "USD")]
    currency: String,
}

impl ProductBody {
    /// Checks every member, below `pointer`, which is `#` for a whole body.
    pub(crate) fn check(&self, pointer: &str) -> Result<Details> {
        let mut validation = Validation::default();
        let mut refuse = |member: &str, checked: Result<(), String>| {
            validation.take(&format!("{pointer}/{member}"), checked);
        };
        refuse("sku", optional(self.sku.as_deref(), |text| line(text, 64)));
        refuse("name", line(&self.name, 200));
        refuse("description", optional(self.description.as_deref(), |text| prose(text, 10_000)));
        refuse("category", optional(self.category.as_deref(), |text| line(text, 100)));
        refuse("images", self.images.as_deref().map_or(Ok(()), check_images));
        refuse("metadata", self.metadata.as_ref().map_or(Ok(()), check_metadata));
        refuse("price/amount", check_amount(self.price.amount));
        refuse("quantity", self.quantity.map_or(Ok(()), check_quantity));
        let window = self.offer().sale_window.unwrap_or_default();
        refuse("saleWindow/opensAt", check_moment(window.opens_at));
        refuse("saleWindow/closesAt", check_moment(window.closes_at));
        let is_ever_open = if window.is_sound() { Ok(()) } else { Err(NEVER_OPEN.to_owned()) };
        refuse("saleWindow/closesAt", is_ever_open);
        refuse("limitPerCustomer", check_limit(self.limit_per_customer.flatten()));
        let currency = validation
            .take(&format!("{pointer}/price/currency"), self.price.currency.parse::<Currency>());
        validation.finish()?;
        let currency = currency.expect("a refused currency ended the check");
        Ok(Details {
            sku: self.sku.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            category: self.category.clone(),
            images: self.images.clone().unwrap_or_default(),
            metadata: self.metadata.clone().unwrap_or_default(),
            price: Money { amount: self.price.amount, currency },
            status: self.status.unwrap_or(Status::Active),
            sale_window: window,
            limit_per_customer: self.limit_per_customer.flatten(),
        })
    }

    /// What stays as it is where it is not said.
    pub(crate) fn offer(&self) -> Offer {
        Offer {
            status: self.status,
            sale_window: self.sale_window.map(Option::unwrap_or_default),
            limit_per_customer: self.limit_per_customer,
        }
    }

    /// A creation states no version.
    pub(crate) fn refuse_version(&self) -> Result<()> {
        match self.version {
            None => Ok(()),
            Some(_) => {
                let detail = "a new product has no version yet";
                let field = FieldError {
                    pointer: "#/version".into(),
                    code: "unknown-field".into(),
                    detail: detail.into(),
                };
                Err(Error::new(holdfast_types::Code::UnknownField, detail).with_fields(vec![field]))
            }
        }
    }
}

/// A new product: it has no version yet.
pub(crate) struct ProductDraft;

impl PartialSchema for ProductDraft {
    fn schema() -> RefOr<Schema> {
        shaped(|product| {
            product.properties.remove("version");
        })
    }
}

impl ToSchema for ProductDraft {}

/// What replaces a product: what `GET` gave may come back with it.
pub(crate) struct ProductReplacement;

impl PartialSchema for ProductReplacement {
    fn schema() -> RefOr<Schema> {
        shaped(|product| {
            let ignored = ObjectBuilder::new().description(Some("Ignored.")).build();
            let ignored = Schema::Object(ignored);
            product
                .properties
                .extend(READ_ONLY.map(|name| (name.to_owned(), ignored.clone().into())));
        })
    }
}

impl ToSchema for ProductReplacement {}

fn shaped(shape: impl FnOnce(&mut Object)) -> RefOr<Schema> {
    let mut schema = ProductBody::schema();
    if let RefOr::T(Schema::Object(product)) = &mut schema {
        shape(product);
    }
    schema
}

/// The body of a `PUT` without what it ignores.
pub(crate) fn without_read_only(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
    }
    body
}

fn optional(
    text: Option<&str>,
    check: impl FnOnce(&str) -> Result<(), String>,
) -> Result<(), String> {
    text.map_or(Ok(()), check)
}

pub(crate) fn check_images(images: &[Image]) -> Result<(), String> {
    let web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    let fits = |image: &Image| {
        (web(&image.url) || is_own(&image.url))
            && line(&image.url, 2_000).is_ok()
            && !image.url.contains(' ')
    };
    let described = |image: &Image| image.alt.as_deref().is_none_or(|alt| line(alt, 200).is_ok());
    match images.len() <= 10 && images.iter().all(|image| fits(image) && described(image)) {
        true => Ok(()),
        false => Err("expected at most 10 images, each with an http or https `url` or one of this shop's `/media/`, and an `alt` of at most 200 characters".into()),
    }
}

/// Times of four digits of a year (RFC 3339), and not before there were any.
pub(crate) fn check_moment(moment: Option<Timestamp>) -> Result<(), String> {
    const YEAR_10000: i64 = 253_402_300_800_000;
    match moment.is_none_or(|at| (0..YEAR_10000).contains(&at.as_millis())) {
        true => Ok(()),
        false => Err("expected a moment of the years 1970 to 9999".into()),
    }
}

pub(crate) fn check_amount(amount: i64) -> Result<(), String> {
    match (0..=PRICE_MAX).contains(&amount) {
        true => Ok(()),
        false => Err(format!("expected 0 to {PRICE_MAX} minor units")),
    }
}

pub(crate) fn check_limit(limit: Option<i64>) -> Result<(), String> {
    match limit.is_none_or(|limit| (1..=LIMIT_MAX).contains(&limit)) {
        true => Ok(()),
        false => Err(format!("expected 1 to {LIMIT_MAX} units")),
    }
}

pub(crate) fn check_quantity(quantity: i64) -> Result<(), String> {
    match (0..=QUANTITY_MAX).contains(&quantity) {
        true => Ok(()),
        false => Err(format!("expected 0 to {QUANTITY_MAX} units")),
    }
}

/// Units that came or went.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StockBody {
    /// Positive adds, negative removes; not 0.
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000, example = 12)]
    pub(crate) delta: i64,
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, format = "line", example = "delivery")]
    pub(crate) reason: String,
}

impl StockBody {
    pub(crate) fn check(&self) -> Result<()> {
        let mut validation = Validation::default();
        if self.delta == 0 || self.delta.checked_abs().is_none_or(|delta| delta > QUANTITY_MAX) {
            validation.refuse(
                "#/delta",
                format!("expected -{QUANTITY_MAX} to {QUANTITY_MAX} units, and not 0"),
            );
        }
        validation.take("#/reason", line(&self.reason, 200));
        validation.finish()
    }
}

/// Many products at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchBody {
    pub(crate) mode: Mode,
    /// Update existing products (by `sku`) even without their `version`.
    #[serde(default)]
    pub(crate) overwrite: bool,
    /// 1 to 500 products.
    #[schema(value_type = Vec<ProductBody>, min_items = 1, max_items = 500)]
    pub(crate) items: Vec<Value>,
}

/// Whether one refusal refuses all.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// All or none.
    Atomic,
    /// Each for itself.
    Partial,
}
