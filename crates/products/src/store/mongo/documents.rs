//! Documents of products: finding and reading them. Details and numbers stand in one document, so a sale and an edit of
//! one product cannot miss each other.

use std::collections::HashMap;

use holdfast_storage::mongo::{Document, Fault, Query, Tx, doc, fields};
use holdfast_types::{Money, ProductId, Result, Timestamp, Version, fold, words};

use crate::model::{Details, Numbers, Product, SaleWindow, Status};

pub(super) const PRODUCTS: &str = "products";
pub(super) const SKUS: &str = "product_skus";

pub(super) async fn get(tx: &Tx, id: ProductId) -> Result<Option<Product>, Fault> {
    let found = tx.get(PRODUCTS, fields::uuid(id.uuid())).await?;
    Ok(found.map(|found| product(&found)).transpose()?)
}

/// The products that have these skus.
pub(super) async fn by_sku(tx: &Tx, skus: &[String]) -> Result<HashMap<String, Product>, Fault> {
    let found = tx.find(SKUS, &Query::of(doc! {"_id": {"$in": skus}})).await?;
    let ids: Vec<ProductId> =
        found.iter().map(|found| fields::id(found, "product")).collect::<Result<_>>()?;
    let found = tx.find(PRODUCTS, &among(&ids)).await?;
    let products = found.iter().map(|found| {
        let product = product(found)?;
        Ok((product.details.sku.clone().unwrap_or_default(), product))
    });
    products.collect()
}

/// The products with these ids.
pub(super) fn among(ids: &[ProductId]) -> Query {
    let ids: Vec<_> = ids.iter().map(|id| fields::uuid(id.uuid())).collect();
    Query::of(doc! {"_id": {"$in": ids}})
}

pub(super) fn product(found: &Document) -> Result<Product> {
    let details = Details {
        sku: fields::optional_text(found, "sku")?,
        name: fields::text(found, "name")?.to_owned(),
        description: fields::optional_text(found, "description")?,
        category: fields::optional_text(found, "category")?,
        images: fields::json(found, "images")?,
        metadata: fields::json(found, "metadata")?,
        price: money(found)?,
        status: if fields::flag(found, "archived")? { Status::Archived } else { Status::Active },
        sale_window: sale_window(found)?,
        limit_per_customer: fields::optional_number(found, "limit_per_customer")?,
    };
    let Numbers { quantity, reserved, sequence } = numbers(found)?;
    Ok(Product {
        id: fields::id(found, "_id")?,
        seller: fields::id(found, "seller_id")?,
        details,
        quantity,
        reserved,
        sequence,
        version: Version(fields::number(found, "version")?),
        details_version: Version(fields::number(found, "details_version")?),
        quantity_version: Version(fields::number(found, "quantity_version")?),
        fingerprint: fields::fingerprint(found, "fingerprint")?,
        created_at: fields::time(found, "created_at")?,
        updated_at: fields::time(found, "updated_at")?,
    })
}

pub(super) fn numbers(found: &Document) -> Result<Numbers> {
    Ok(Numbers {
        quantity: fields::number(found, "quantity")?,
        reserved: fields::number(found, "reserved")?,
        sequence: fields::number(found, "sequence")?,
    })
}

pub(super) fn money(found: &Document) -> Result<Money> {
    Ok(Money {
        amount: fields::number(found, "price")?,
        currency: fields::currency(found, "currency")?,
    })
}

/// Documents of before have neither member.
pub(super) fn sale_window(found: &Document) -> Result<SaleWindow> {
    let at = |name| -> Result<_> {
        Ok(fields::optional_number(found, name)?.map(Timestamp::from_millis))
    };
    Ok(SaleWindow { opens_at: at("opens_at")?, closes_at: at("closes_at")? })
}

/// The members of a product's document, apart from its id and what never changes.
pub(super) fn members(product: &Product) -> Result<Document, Fault> {
    let details = &product.details;
    Ok(doc! {
        "sku": details.sku.clone(),
        "name": &details.name,
        "sort_name": fold(&details.name),
        "description": details.description.clone(),
        "category": details.category.clone(),
        "images": serde_json::to_string(&details.images)?,
        "metadata": serde_json::to_string(&details.metadata)?,
        "price": details.price.amount,
        "currency": details.price.currency.as_str(),
        "archived": details.status == Status::Archived,
        "words": words(&product.words()),
        "version": product.version.0,
        "details_version": product.details_version.0,
        "quantity_version": product.quantity_version.0,
        "updated_at": product.updated_at.as_millis(),
        "quantity": product.quantity,
        "reserved": product.reserved,
        "sequence": product.sequence,
        "opens_at": details.sale_window.opens_at.map(Timestamp::as_millis),
        "closes_at": details.sale_window.closes_at.map(Timestamp::as_millis),
        "limit_per_customer": details.limit_per_customer,
    })
}
