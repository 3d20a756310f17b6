//! Everything about users, out of this engine and into it.

use holdfast_storage::{
    Damage, Entry, Sink,
    mongo::{Fault, Query, Tx, doc, fields},
};
use holdfast_types::{Result, UserId, fold};

use super::accounts::{self, NAMES, USERS};
use crate::{model::User, store::portable::Record};

pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let by_id = Query { sort: Some(doc! {"_id": 1}), ..Query::default() };
    let mut users = tx.cursor(USERS, &by_id).await?;
    while let Some(found) = users.next().await? {
        let id: UserId = fields::id(&found, "_id")?;
        let user = accounts::user(&found).map_err(|error| Damage::new("user", id.uuid(), error));
        sink.put(user.map(|user| Record::User(Box::new(user)))).await?;
    }
    Ok(())
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    let users: Vec<&User> = records.iter().map(|Record::User(user)| &**user).collect();
    let names = users.iter().filter(|user| !user.deleted).map(|user| {
        doc! {"_id": fold(&user.username), "user": fields::uuid(user.id.uuid())}
    });
    tx.insert_missing(NAMES, names.collect()).await?;
    tx.insert_missing(USERS, users.into_iter().map(accounts::document).collect()).await
}
