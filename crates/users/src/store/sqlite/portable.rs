//! Everything about users, out of this engine and into it.

use holdfast_storage::{
    Entry, Sink,
    sqlite::{Fault, damage},
};
use holdfast_types::{Result, UserId, fold};
use rusqlite::Connection;

use super::accounts;
use crate::{model::User, store::portable::Record};

pub(super) fn dump(db: &Connection, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let mut query = db.prepare(&format!("SELECT {} FROM users ORDER BY seq", accounts::COLUMNS))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let id = UserId::from_bytes(row.get(0)?);
        let user = accounts::user(row).map_err(|error| damage("user", id.uuid(), row, error));
        sink.put_blocking(user.map(|user| Record::User(Box::new(user))))?;
    }
    Ok(())
}

pub(super) fn load(db: &Connection, records: Vec<Record>) -> Result<(), Fault> {
    for record in records {
        let Record::User(user) = record;
        load_user(db, &user)?;
    }
    Ok(())
}

/// A deleted user counts as deleted at once, so that orders forget the buyer for sure.
fn load_user(db: &Connection, user: &User) -> Result<(), Fault> {
    let name = Some(&user.username).filter(|_| !user.deleted);
    db.prepare_cached(
        "INSERT INTO users (id, username, username_folded, password_hash, password_changed, role, email, name, disabled,
                            deleted, deleted_at, version, profile_version, access_version, epoch, fingerprint, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT (id) DO NOTHING",
    )?
    .execute(rusqlite::params![
        user.id.bytes(),
        name,
        name.map(|name| fold(name)),
        user.password_hash,
        user.password_changed,
        user.role.as_str(),
        user.email,
        user.name,
        user.disabled,
        user.deleted,
        user.deleted.then_some(user.created_at.as_millis()),
        user.version.0,
        user.profile_version.0,
        user.access_version.0,
        user.epoch,
        user.fingerprint.0,
        user.created_at.as_millis(),
    ])?;
    Ok(())
}
