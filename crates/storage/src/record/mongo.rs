//! Records on MongoDB: a document each, with the record itself as a member, and what is unique claimed as the `_id` of a
//! collection of its own.

use std::ops::Bound;

use holdfast_types::Error;
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value as Json;

use super::{Found, Index, Move, REWRITE_ROWS, Record, Row, Scan, Table, Taken, Value, entry};
use crate::{
    Damage, Entry, Sink,
    mongo::{Fault, Mongo, Query, Tx, fields},
};

/// Documents whose only use is that somebody who changes one meets who changes the same: keys without a document.
const LOCKS: &str = "holdfast_locks";
/// So many of them: strangers meet there now and then, and one of them begins afresh.
const LOCK_COUNT: i64 = 4096;

fn bson(value: &Value) -> Bson {
    match value {
        Value::Integer(number) => Bson::Int64(*number),
        Value::Text(text) => Bson::String(text.clone()),
        Value::Id(id) => fields::uuid(*id),
        Value::Bytes(bytes) => fields::binary(bytes),
    }
}

/// Stands before the names of members that begin with a dollar sign, or with this: for drivers those mean something.
const ESCAPE: char = '\u{ff04}';

fn escape(name: String) -> String {
    if name.starts_with(['$', ESCAPE]) { format!("{ESCAPE}{name}") } else { name }
}

fn unescape(name: String) -> String {
    name.strip_prefix(ESCAPE).map(str::to_owned).unwrap_or(name)
}

/// JSON as it stands: no member means anything else, whatever it is called.
fn from_json(json: Json) -> Result<Bson, Error> {
    Ok(match json {
        Json::Null => Bson::Null,
        Json::Bool(flag) => Bson::Boolean(flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Bson::Int64(number),
            (None, Some(value)) if !number.is_u64() => Bson::Double(value),
            _ => return Err(Error::internal("a record has a number that is too large")),
        },
        Json::String(text) => Bson::String(text),
        Json::Array(items) => {
            Bson::Array(items.into_iter().map(from_json).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let member = |(name, value)| from_json(value).map(|value| (escape(name), value));
            Bson::Document(members.into_iter().map(member).collect::<Result<_, _>>()?)
        }
    })
}

fn to_json(bson: Bson) -> Result<Json, Error> {
    Ok(match bson {
        Bson::Null => Json::Null,
        Bson::Boolean(flag) => flag.into(),
        Bson::Int64(number) => number.into(),
        Bson::Int32(number) => number.into(),
        Bson::Double(number) => number.into(),
        Bson::String(text) => text.into(),
        Bson::Array(items) => items.into_iter().map(to_json).collect::<Result<_, _>>()?,
        Bson::Document(members) => {
            let member = |(name, value)| to_json(value).map(|value| (unescape(name), value));
            Json::Object(members.into_iter().map(member).collect::<Result<_, _>>()?)
        }
        other => return Err(Error::internal(format!("{other} is not of JSON"))),
    })
}

fn body_of(row: &Row) -> Result<Bson, Fault> {
    Ok(from_json(serde_json::from_str(&row.body)?)?)
}

fn found(mut document: Document) -> Result<Found, Fault> {
    let version = fields::number(&document, "version")?;
    let body = document.remove("body").ok_or_else(|| Error::internal("a record has no body"))?;
    Ok(Found { version, body: to_json(body)?.to_string() })
}

/// Makes what is not there yet.
pub(super) fn definition(table: &Table) -> Vec<Document> {
    let mut commands = vec![doc! {"create": LOCKS}, doc! {"create": table.name}];
    commands.extend(table.unique_indexes().map(|index| doc! {"create": table.claims(index)}));
    let before = doc! {
        "name": format!("before_{}", table.layout),
        "key": {"layout": 1},
        "partialFilterExpression": {"layout": {"$lt": table.layout}},
    };
    let mut indexes: Vec<Document> = table
        .indexes
        .iter()
        .map(|index| {
            let columns = index.columns.iter().map(|name| ((*name).to_owned(), Bson::Int32(1)));
            let mut key: Document = columns.collect();
            key.insert("_id", 1);
            doc! {"name": index.name, "key": key}
        })
        .collect();
    indexes.push(before);
    commands.push(doc! {"createIndexes": table.name, "indexes": indexes});
    commands
}

fn claim_id(index: &Index, values: &[Value]) -> Bson {
    match values {
        [value] => bson(value),
        values => {
            let members = index.columns.iter().zip(values);
            Bson::Document(members.map(|(name, value)| ((*name).to_owned(), bson(value))).collect())
        }
    }
}

pub(super) async fn get(tx: &Tx, table: &Table, key: &Value) -> Result<Option<Found>, Fault> {
    tx.get(table.name, bson(key)).await?.map(found).transpose()
}

pub(super) async fn scan(tx: &Tx, table: &Table, scan: Scan) -> Result<Vec<Found>, Fault> {
    let rows = tx.find(table.name, &query(table, scan)).await?;
    rows.into_iter().map(found).collect()
}

/// The same outside of a transaction.
pub(super) async fn scan_alone(
    db: &Mongo,
    table: &Table,
    scan: Scan,
) -> holdfast_types::Result<Vec<Found>> {
    let rows = db.find(table.name, &query(table, scan)).await?;
    Ok(rows.into_iter().map(found).collect::<Result<_, _>>()?)
}

/// One document outside of a transaction.
pub(super) async fn get_alone(
    db: &Mongo,
    table: &Table,
    key: &Value,
) -> holdfast_types::Result<Option<Found>> {
    Ok(db.get(table.name, bson(key)).await?.map(found).transpose()?)
}

/// Some documents of an earlier layout; there is an index with these alone.
pub(super) async fn outdated(tx: &Tx, table: &Table) -> Result<Vec<Found>, Fault> {
    let query = Query {
        filter: doc! {"layout": {"$lt": table.layout}},
        sort: Some(doc! {"layout": 1}),
        limit: Some(REWRITE_ROWS),
        ..Query::default()
    };
    tx.find(table.name, &query).await?.into_iter().map(found).collect()
}

fn query(table: &Table, scan: Scan) -> Query {
    let Scan { index, equal, among, range, after, limit, is_descending } = scan;
    let index = index.map(|name| table.index(name).0);
    let names = index.map_or(&[][..], |index| index.columns);
    let fixed = equal.len();
    let mut conditions: Vec<Document> =
        names.iter().zip(&equal).map(|(name, value)| doc! {*name: bson(value)}).collect();
    conditions.extend(names[fixed..].iter().map(|name| doc! {*name: {"$exists": true}}));
    let next = names.get(fixed).copied().unwrap_or("_id");
    if let Some(values) = among {
        let values: Vec<Bson> = values.iter().map(bson).collect();
        conditions.push(doc! {next: {"$in": values}});
    }
    let bounds = [(range.0, ["$gte", "$gt"]), (range.1, ["$lte", "$lt"])];
    for (bound, [including, excluding]) in bounds {
        match bound {
            Bound::Included(value) => conditions.push(doc! {next: {including: bson(&value)}}),
            Bound::Excluded(value) => conditions.push(doc! {next: {excluding: bson(&value)}}),
            Bound::Unbounded => {}
        }
    }
    let last = (!index.is_some_and(|index| index.unique)).then_some("_id");
    let order: Vec<&str> = names.iter().copied().chain(last).collect();
    if let Some(place) = after {
        let operator = if is_descending { "$lt" } else { "$gt" };
        let rest = order[fixed..].iter().copied();
        let values = place.values.iter().chain([&place.key]).skip(fixed).map(bson);
        conditions.push(doc! {"$or": behind(&rest.zip(values).collect::<Vec<_>>(), operator)});
    }
    let direction = if is_descending { -1 } else { 1 };
    Query {
        filter: if conditions.is_empty() {
            doc! {}
        } else {
            doc! {"$and": conditions}
        },
        sort: Some(
            order.into_iter().map(|name| (name.to_owned(), Bson::Int32(direction))).collect(),
        ),
        limit: Some(i64::try_from(limit).unwrap_or(i64::MAX)),
        ..Query::default()
    }
}

/// What is behind a place: later in the first member, or equal there and later in the second, and so on.
fn behind(place: &[(&str, Bson)], operator: &str) -> Vec<Document> {
    let mut ways = Vec::new();
    for (count, (name, value)) in place.iter().enumerate() {
        let equal = place[..count].iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let mut way: Document = equal.collect();
        way.insert(*name, doc! {operator: value.clone()});
        ways.push(way);
    }
    if ways.is_empty() {
        // Nothing is behind the only one.
        ways.push(doc! {"_id": {"$exists": false}});
    }
    ways
}

/// Holds others up who lock or change the same: whoever comes second begins afresh.
pub(super) async fn lock(tx: &Tx, table: &Table, keys: &[Value]) -> Result<(), Fault> {
    for key in keys {
        let turn = doc! {"$inc": {"locks": 1_i64}};
        let met = tx.update_all(table.name, doc! {"_id": bson(key)}, turn.clone()).await?;
        if met == 0 {
            let slot = super::tx::number_of(table, key).rem_euclid(LOCK_COUNT);
            tx.upsert(LOCKS, doc! {"_id": slot}, turn).await?;
        }
    }
    Ok(())
}

fn set_columns(table: &Table, columns: &[Option<Value>]) -> (Document, Document) {
    let (mut set, mut unset) = (Document::new(), Document::new());
    for (column, value) in table.columns.iter().zip(columns) {
        match value {
            Some(value) => set.insert(column.name, bson(value)),
            None => unset.insert(column.name, ""),
        };
    }
    (set, unset)
}

/// Says what is taken, and changes nothing then. A few commands for all of them: a transaction has two seconds.
pub(super) async fn insert(tx: &Tx, table: &Table, rows: Vec<Row>) -> Result<Option<Taken>, Fault> {
    let keys: Vec<Bson> = rows.iter().map(|row| bson(&row.key)).collect();
    if is_any_there(tx, table.name, keys).await? {
        return Ok(Some(Taken::Key));
    }
    let mut claims = Vec::new();
    for index in table.unique_indexes() {
        let values = |row: &Row| Some((table.values(index, &row.columns)?, bson(&row.key)));
        let ids = rows.iter().filter_map(values);
        let ids: Vec<_> = ids.map(|(values, key)| (claim_id(index, &values), key)).collect();
        let collection = table.claims(index);
        let wanted = ids.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        let is_twice = wanted.iter().enumerate().any(|(place, id)| wanted[..place].contains(id));
        if is_twice || is_any_there(tx, &collection, wanted).await? {
            return Ok(Some(Taken::Index(index.name)));
        }
        let claim = |(id, key)| doc! {"_id": id, "key": key};
        claims.push((collection, ids.into_iter().map(claim).collect()));
    }
    for (collection, claims) in claims {
        tx.insert(&collection, claims).await?;
    }
    let document = |row: Row| {
        let mut document = doc! {
            "_id": bson(&row.key), "version": row.version, "layout": row.layout, "body": body_of(&row)?,
        };
        document.extend(set_columns(table, &row.columns).0);
        Ok::<_, Fault>(document)
    };
    tx.insert(table.name, rows.into_iter().map(document).collect::<Result<_, _>>()?).await?;
    Ok(None)
}

async fn is_any_there(tx: &Tx, collection: &str, ids: Vec<Bson>) -> Result<bool, Fault> {
    let filter = doc! {"_id": {"$in": ids}};
    let query = Query { filter, limit: Some(1), ..Query::default() };
    Ok(!tx.find(collection, &query).await?.is_empty())
}

/// Changes the document if it is still of that version. Says what is taken, and changes nothing then.
pub(super) async fn put(
    tx: &Tx,
    table: &Table,
    row: Row,
    before: &[Option<Value>],
) -> Result<Option<Taken>, Fault> {
    let moves = table.moves(before, &row.columns);
    if let Some(taken) = claim_all(tx, table, &row.key, &moves).await? {
        return Ok(Some(taken));
    }
    for Move { index, lets_go, .. } in moves {
        release(tx, table, index, lets_go.into_iter().collect()).await?;
    }
    let (mut set, unset) = set_columns(table, &row.columns);
    set.extend(doc! {"layout": row.layout, "body": body_of(&row)?});
    let mut change = doc! {"$inc": {"version": 1_i64}, "$set": set};
    if !unset.is_empty() {
        change.insert("$unset", unset);
    }
    let like = doc! {"_id": bson(&row.key), "version": row.version};
    tx.update(table.name, vec![(like, change)]).await?;
    Ok(None)
}

pub(super) async fn delete(tx: &Tx, table: &Table, rows: &[Row]) -> Result<(), Fault> {
    let like = rows.iter().map(|row| doc! {"_id": bson(&row.key), "version": row.version});
    if tx.delete_each(table.name, like.collect()).await? < rows.len() {
        return Err(Fault::Stale);
    }
    for index in table.unique_indexes() {
        let values = rows.iter().filter_map(|row| table.values(index, &row.columns));
        release(tx, table, index, values.collect()).await?;
    }
    Ok(())
}

async fn release(
    tx: &Tx,
    table: &Table,
    index: &Index,
    values: Vec<Vec<Value>>,
) -> Result<(), Fault> {
    let ids = values.iter().map(|values| doc! {"_id": claim_id(index, values)});
    tx.delete_each(&table.claims(index), ids.collect()).await.map(|_| ())
}

/// All documents by key.
pub(super) async fn read_all<R: Record>(tx: Tx, sink: &mut Sink<Entry<R>>) -> Result<(), Fault> {
    let query = Query { sort: Some(doc! {"_id": 1}), ..Query::default() };
    let mut documents = tx.cursor(R::TABLE.name, &query).await?;
    while let Some(document) = documents.next().await? {
        let key: holdfast_types::OrderId = fields::id(&document, "_id")?;
        sink.put(match found(document) {
            Ok(found) => entry(key.uuid(), &found.body),
            Err(fault) => Err(Damage::new(R::TABLE.noun, key.uuid(), Error::from(fault))),
        })
        .await?;
    }
    Ok(())
}

/// Claims what is unique and new. Two who claim the same at once meet at the `_id`: one begins afresh, and sees the other.
async fn claim_all(
    tx: &Tx,
    table: &Table,
    key: &Value,
    moves: &[Move],
) -> Result<Option<Taken>, Fault> {
    let mut wanted = Vec::new();
    for Move { index, claims, .. } in moves {
        let Some(values) = claims else { continue };
        let (collection, id) = (table.claims(index), claim_id(index, values));
        match tx.get(&collection, id.clone()).await? {
            None => wanted.push((collection, doc! {"_id": id, "key": bson(key)})),
            Some(claim) if claim.get("key") == Some(&bson(key)) => {}
            Some(_) => return Ok(Some(Taken::Index(index.name))),
        }
    }
    for (collection, claim) in wanted {
        tx.insert(&collection, vec![claim]).await?;
    }
    Ok(None)
}
