//! Tallies on MongoDB: a document for an hour, a name and a shard.

use std::ops::Range;

use holdfast_types::{Error, Result};
use mongodb::bson::{Document, doc};

use super::Row;
use crate::mongo::{Fault, Mongo, Tx, fields};

const TALLIES: &str = "holdfast_tallies";

pub(super) fn definition() -> Vec<Document> {
    let by_hour = doc! {"name": "by_hour", "key": {"hour": 1, "name": 1}};
    vec![doc! {"create": TALLIES}, doc! {"createIndexes": TALLIES, "indexes": [by_hour]}]
}

pub(super) async fn add(tx: &Tx, shard: i64, rows: Vec<Row>) -> Result<(), Fault> {
    for Row { hour, name, events, units, billions, rest } in rows {
        let like = doc! {"_id": format!("{hour}/{name}/{shard}")};
        let add = doc! {
            "$inc": {"events": events, "units": units, "billions": billions, "rest": rest},
            "$setOnInsert": {"hour": hour, "name": name},
        };
        tx.upsert(TALLIES, like, add).await?;
    }
    Ok(())
}

pub(super) async fn sums(db: &Mongo, beginning: &str, hours: &Range<i64>) -> Result<Vec<Row>> {
    let length = i64::try_from(beginning.len()).map_err(Error::internal)?;
    let begins = doc! {"$eq": [{"$substrBytes": ["$name", 0, length]}, beginning]};
    let sum = |member: &str| doc! {"$sum": format!("${member}")};
    let pipeline = vec![
        doc! {"$match": {"hour": {"$gte": hours.start, "$lt": hours.end}, "$expr": begins}},
        doc! {"$group": {
            "_id": {"hour": "$hour", "name": "$name"},
            "hour": {"$first": "$hour"},
            "name": {"$first": "$name"},
            "events": sum("events"),
            "units": sum("units"),
            "billions": sum("billions"),
            "rest": sum("rest"),
        }},
    ];
    db.aggregate(TALLIES, pipeline).await?.iter().map(row).collect()
}

fn row(found: &Document) -> Result<Row> {
    Ok(Row {
        hour: fields::number(found, "hour")?,
        name: fields::text(found, "name")?.to_owned(),
        events: fields::number(found, "events")?,
        units: fields::number(found, "units")?,
        billions: fields::number(found, "billions")?,
        rest: fields::number(found, "rest")?,
    })
}
