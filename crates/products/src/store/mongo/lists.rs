//! Lists and searches: keyset pages over an index.

use holdfast_storage::mongo::{Bson, Document, Mongo, Query, doc, fields};
use holdfast_types::{Page, PageRequest, Result};

use super::documents::{self, PRODUCTS};
use crate::{
    model::Product,
    store::{Place, ProductFilter, SortKey},
};

pub(super) async fn list(
    db: &Mongo,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Page<Product>> {
    let member = match filter.sort.key {
        SortKey::CreatedAt => "created_at",
        SortKey::Name => "sort_name",
        SortKey::Price => "price",
    };
    let mut conditions = conditions(filter);
    let after = match filter.after(request)? {
        None => None,
        Some(Place::Name(name, id)) => Some((Bson::from(name), id)),
        Some(Place::Number(number, id)) => Some((Bson::from(number), id)),
    };
    if let Some((value, id)) = after {
        let (beyond, from) = if filter.sort.ascending { ("$gt", "$gte") } else { ("$lt", "$lte") };
        let tie = doc! {member: value.clone(), "_id": {beyond: fields::uuid(id.uuid())}};
        // The first of them bounds the walk over the index; the second is exact.
        conditions.push(doc! {member: {from: value.clone()}});
        conditions.push(doc! {"$or": [{member: {beyond: value}}, tie]});
    }
    let direction = if filter.sort.ascending { 1 } else { -1 };
    let query = Query {
        filter: doc! {"$and": conditions},
        sort: Some(doc! {member: direction, "_id": direction}),
        limit: i64::try_from(request.limit + 1).ok(),
        projection: None,
    };
    let found = db.find(PRODUCTS, &query).await?;
    let products = found.iter().map(documents::product).collect::<Result<_>>()?;
    Ok(Page::cut(products, request.limit, |product| filter.place(product)))
}

fn conditions(filter: &ProductFilter) -> Vec<Document> {
    let mut conditions = vec![doc! {"archived": false}];
    // Words are letters and digits only, so nothing in them has a meaning to the pattern.
    conditions
        .extend(filter.words.iter().map(|word| doc! {"words": {"$regex": format!("^{word}")}}));
    if let Some(category) = &filter.category {
        conditions.push(doc! {"category": category});
    }
    if let Some(sku) = &filter.sku {
        conditions.push(doc! {"sku": sku});
    }
    if let Some(currency) = &filter.currency {
        conditions.push(doc! {"currency": currency.as_str()});
    }
    if let Some(price) = filter.min_price {
        conditions.push(doc! {"price": {"$gte": price}});
    }
    if let Some(price) = filter.max_price {
        conditions.push(doc! {"price": {"$lte": price}});
    }
    if let Some(in_stock) = filter.in_stock {
        let compare = if in_stock { "$gt" } else { "$eq" };
        conditions.push(doc! {"$expr": {compare: ["$quantity", "$reserved"]}});
    }
    if let Some(ids) = &filter.ids {
        let ids: Vec<_> = ids.iter().map(|id| fields::uuid(id.uuid())).collect();
        conditions.push(doc! {"_id": {"$in": ids}});
    }
    conditions
}

pub(super) async fn categories(db: &Mongo) -> Result<Vec<(String, i64)>> {
    let pipeline = vec![
        doc! {"$match": {"archived": false, "category": {"$type": "string"}}},
        doc! {"$group": {"_id": "$category", "count": {"$sum": 1}}},
        doc! {"$sort": {"_id": 1}},
    ];
    let found = db.aggregate(PRODUCTS, pipeline).await?;
    let category = |found: &Document| {
        Ok((fields::text(found, "_id")?.to_owned(), fields::number(found, "count")?))
    };
    found.iter().map(category).collect()
}
