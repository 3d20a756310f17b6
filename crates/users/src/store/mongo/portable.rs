//! Everything about users, out of this engine and into it.

use holdfast_storage::mongo::{Fault, Query, Tx, doc, fields};
use holdfast_types::{Result, fold};

use super::accounts::{self, NAMES, USERS};
use crate::{model::User, store::portable::Record};

pub(super) async fn dump(tx: Tx) -> Result<Vec<Record>, Fault> {
    let found = tx.find(USERS, &Query::default()).await?;
    let users = found.iter().map(|found| Ok(Record::User(Box::new(accounts::user(found)?))));
    Ok(users.collect::<Result<_>>()?)
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    let users: Vec<&User> = records.iter().map(|Record::User(user)| &**user).collect();
    let names = users.iter().filter(|user| !user.deleted).map(|user| {
        doc! {"_id": fold(&user.username), "user": fields::uuid(user.id.uuid())}
    });
    tx.insert_missing(NAMES, names.collect()).await?;
    tx.insert_missing(USERS, users.into_iter().map(accounts::document).collect()).await
}
