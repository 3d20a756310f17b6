//! Everything about users, out of this engine and into it.

use holdfast_storage::{
    Damage, Entry, Sink,
    postgres::{Fault, Tx},
};
use holdfast_types::{Result, fold};

use super::accounts;
use crate::{model::User, store::portable::Record};

pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let mut rows = tx.cursor("every_user", &format!("{} ORDER BY id", accounts::SELECT)).await?;
    while let Some(row) = rows.next().await? {
        let user = accounts::user(&row).map_err(|error| Damage::new("user", row.get(0), error));
        sink.put(user.map(|user| Record::User(Box::new(user)))).await?;
    }
    Ok(())
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    for record in records {
        let Record::User(user) = record;
        load_user(&tx, user).await?;
    }
    Ok(())
}

/// A deleted user counts as deleted at once, so that orders forget the buyer for sure.
async fn load_user(tx: &Tx, user: &User) -> Result<(), Fault> {
    let name = Some(&user.username).filter(|_| !user.deleted);
    if let Some(name) = name {
        let sql = "INSERT INTO usernames (folded, user_id) VALUES ($1, $2) ON CONFLICT (folded) DO NOTHING";
        tx.execute(sql, &[&fold(name), &user.id.uuid()]).await?;
    }
    tx.execute(
        "INSERT INTO users (id, username, password_hash, password_changed, role, email, name, disabled, deleted,
                            deleted_at, version, profile_version, access_version, epoch, fingerprint, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (id) DO NOTHING",
        &[
            &user.id.uuid(),
            &name,
            &user.password_hash,
            &user.password_changed,
            &user.role.as_str(),
            &user.email,
            &user.name,
            &user.disabled,
            &user.deleted,
            &user.deleted.then_some(user.created_at.as_millis()),
            &user.version.0,
            &user.profile_version.0,
            &user.access_version.0,
            &user.epoch,
            &user.fingerprint.0.as_slice(),
            &user.created_at.as_millis(),
        ],
    )
    .await
    .map(|_| ())
}
