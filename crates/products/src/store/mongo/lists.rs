//! Lists and searches: keyset pages over an index.

use holdfast_storage::mongo::{Bson, Document, Mongo, Query, bson::Regex, doc, fields};
use holdfast_types::{PageRequest, Result};

use super::documents::{self, PRODUCTS, SKUS};
use crate::{
    model::Product,
    store::{
        Position, ProductFilter, SortKey,
        listing::{self, Condition, Index, Walk},
    },
};

const fn member(filter: &ProductFilter) -> &'static str {
    match filter.sort.key {
        SortKey::CreatedAt => "created_at",
        SortKey::Name => "sort_name",
        SortKey::Price => "price",
    }
}

fn order(filter: &ProductFilter) -> Document {
    let direction = if filter.sort.ascending { 1 } else { -1 };
    doc! {member(filter): direction, "_id": direction}
}

/// Where the page begins, as conditions.
fn after(filter: &ProductFilter, request: &PageRequest) -> Result<Vec<Document>> {
    let (value, id) = match filter.after(request)? {
        None => return Ok(Vec::new()),
        Some(Position::Name(name, id)) => (Bson::from(name), id),
        Some(Position::Number(number, id)) => (Bson::from(number), id),
    };
    let member = member(filter);
    let (beyond, from) = if filter.sort.ascending { ("$gt", "$gte") } else { ("$lt", "$lte") };
    let tie = doc! {member: value.clone(), "_id": {beyond: fields::uuid(id.uuid())}};
    // The first of them bounds the walk over the index; the second is exact.
    Ok(vec![doc! {member: {from: value.clone()}}, doc! {"$or": [{member: {beyond: value}}, tie]}])
}

fn all(filter: &ProductFilter, conditions: impl IntoIterator<Item = Document>) -> Document {
    let status = std::iter::once(doc! {"archived": filter.archived});
    doc! {"$and": status.chain(conditions).collect::<Vec<_>>()}
}

fn number(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn read(found: &[Document]) -> Result<Vec<Product>> {
    found.iter().map(documents::product).collect()
}

pub(super) async fn list_by(
    db: &Mongo,
    index: Index,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Vec<Product>> {
    let mut conditions: Vec<Document> =
        conditions(filter).into_iter().map(|condition| condition.condition).collect();
    if let Some(sku) = &filter.sku {
        // Products have no index of skus: those stand in a collection of their own.
        let Some(owner) = db.get(SKUS, sku.as_str()).await? else { return Ok(Vec::new()) };
        conditions.push(doc! {"_id": owner.get("product").cloned().unwrap_or(Bson::Null)});
    }
    conditions.extend(after(filter, request)?);
    let query = Query {
        filter: all(filter, conditions),
        sort: Some(order(filter)),
        limit: Some(number(request.limit + 1)),
        hint: name(index, filter),
        ..Query::default()
    };
    read(&db.find(PRODUCTS, &query).await?)
}

const fn name(index: Index, filter: &ProductFilter) -> Option<&'static str> {
    match (index, filter.archived) {
        (Index::Keys, _) => None,
        (Index::Words, false) => Some("by_words"),
        (Index::Words, true) => Some("archived_by_words"),
        (Index::Category, false) => Some("by_category"),
        (Index::Category, true) => Some("archived_by_category"),
        (Index::Price, false) => Some("by_price"),
        (Index::Price, true) => Some("archived_by_price"),
    }
}

pub(super) async fn walk(
    db: &Mongo,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Walk> {
    let (in_order, aside): (Vec<_>, Vec<_>) =
        conditions(filter).into_iter().partition(|condition| filter.is_in_order(condition.index));
    let in_order = in_order.into_iter().map(|condition| condition.condition);
    let walked = all(filter, in_order.chain(after(filter, request)?));
    let pipeline = vec![
        doc! {"$match": walked.clone()},
        doc! {"$sort": order(filter)},
        doc! {"$limit": number(listing::ROWS)},
        doc! {"$match": all(filter, aside.into_iter().map(|condition| condition.condition))},
        doc! {"$limit": number(request.limit + 1)},
    ];
    let found = read(&db.aggregate(PRODUCTS, pipeline).await?)?;
    if found.len() > request.limit {
        return Ok(Walk { found, ended: None });
    }
    let last = Query {
        sort: Some(order(filter)),
        skip: u64::try_from(listing::ROWS - 1).ok(),
        limit: Some(1),
        ..Query::of(walked)
    };
    let last = read(&db.find(PRODUCTS, &last).await?)?.pop();
    Ok(Walk { found, ended: last.map(|product| filter.position(&product)) })
}

pub(super) async fn is_narrow(db: &Mongo, index: Index, filter: &ProductFilter) -> Result<bool> {
    let conditions = conditions(filter).into_iter();
    let served = conditions.filter(|condition| condition.index == Some(index));
    let query = Query {
        filter: all(filter, served.map(|condition| condition.condition)),
        limit: Some(number(listing::ROWS + 1)),
        projection: Some(doc! {"_id": 1}),
        hint: name(index, filter),
        ..Query::default()
    };
    Ok(db.find(PRODUCTS, &query).await?.len() <= listing::ROWS)
}

fn conditions(filter: &ProductFilter) -> Vec<Condition<Document>> {
    let mut all = Vec::new();
    let mut add = |index: Option<Index>, condition: Document| {
        all.push(Condition { index, condition });
    };
    if let Some(ids) = &filter.ids {
        let ids: Vec<_> = ids.iter().map(|id| fields::uuid(id.uuid())).collect();
        add(Some(Index::Keys), doc! {"_id": {"$in": ids}});
    }
    if let Some(sku) = &filter.sku {
        add(Some(Index::Keys), doc! {"sku": sku});
    }
    // Words are letters and digits only, so nothing in them has a meaning to the pattern.
    for words in &filter.words {
        let begins = |word: &String| {
            let (pattern, options) = (format!("^{word}").try_into(), String::new().try_into());
            Some(Regex { pattern: pattern.ok()?, options: options.ok()? })
        };
        let any: Vec<Regex> = words.iter().filter_map(begins).collect();
        add(Some(Index::Words), doc! {"words": {"$in": any}});
    }
    if let Some(category) = &filter.category {
        add(Some(Index::Category), doc! {"category": category});
    }
    if let Some(price) = filter.min_price {
        add(Some(Index::Price), doc! {"price": {"$gte": price}});
    }
    if let Some(price) = filter.max_price {
        add(Some(Index::Price), doc! {"price": {"$lte": price}});
    }
    if let Some(currency) = &filter.currency {
        add(None, doc! {"currency": currency.as_str()});
    }
    for (compare, available) in [("$gte", filter.min_available), ("$lte", filter.max_available)] {
        if let Some(available) = available {
            let left = doc! {"$subtract": ["$quantity", "$reserved"]};
            add(None, doc! {"$expr": {compare: [left, available]}});
        }
    }
    all
}

pub(super) async fn categories(db: &Mongo) -> Result<Vec<(String, i64)>> {
    let pipeline = vec![
        doc! {"$match": {"archived": false, "category": {"$type": "string"}}},
        doc! {"$group": {"_id": "$category", "count": {"$sum": 1}}},
        doc! {"$sort": {"_id": 1}},
        doc! {"$limit": listing::CATEGORIES},
    ];
    let found = db.aggregate(PRODUCTS, pipeline).await?;
    let category = |found: &Document| {
        Ok((fields::text(found, "_id")?.to_owned(), fields::number(found, "count")?))
    };
    found.iter().map(category).collect()
}
