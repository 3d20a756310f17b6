//! Statements about accounts.

use holdfast_storage::sqlite::Fault;
use holdfast_types::{
    Basis, Cursor, Error, Fingerprint, Page, PageRequest, Result, Timestamp, UserId, Version,
};
use rusqlite::{Connection, OptionalExtension, Row};

use super::sessions;
use crate::{
    model::{NewUser, User, UserChange},
    store::{DELETED_PAGE, STAFF_NAMES, last_in_charge, username_taken},
};

pub(super) const COLUMNS: &str = "id, username, password_hash, password_changed, role, email, name, disabled, deleted, \
                       version, profile_version, access_version, epoch, fingerprint, created_at";

pub(super) fn create(db: &Connection, new: &NewUser) -> Result<(User, bool), Fault> {
    if let Some(user) = get(db, new.id)? {
        return Ok((user, true));
    }
    let inserted = db
        .prepare_cached(
            "INSERT INTO users (id, username, username_folded, password_hash, role, email, name, version,
                                profile_version, access_version, fingerprint, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 1, 1, ?8, ?9)",
        )?
        .execute((
            new.id.bytes(),
            new.username.as_str(),
            new.username.folded(),
            &new.password_hash,
            new.role.as_str(),
            &new.email,
            &new.name,
            new.fingerprint.0,
            new.created_at.as_millis(),
        ))
        .map_err(Fault::from);
    match inserted {
        Ok(_) => Ok((User::new(new), false)),
        Err(fault) if fault.is_taken("users.username_folded") => Err(username_taken().into()),
        Err(fault) => Err(fault),
    }
}

pub(super) fn get(db: &Connection, id: UserId) -> Result<Option<User>, Fault> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE id = ?1"))?;
    Ok(query.query_row([id.bytes()], user).optional()?)
}

pub(super) fn find(db: &Connection, folded: &str) -> Result<Option<User>, Fault> {
    let mut query =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE username_folded = ?1"))?;
    Ok(query.query_row([folded], user).optional()?)
}

pub(super) fn staff(db: &Connection) -> Result<Vec<String>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT username FROM users WHERE role <> 'customer' AND NOT deleted ORDER BY id LIMIT ?1",
    )?;
    Ok(query.query_map([STAFF_NAMES], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

pub(super) fn list(db: &Connection, request: &PageRequest) -> Result<Page<User>, Fault> {
    let end = || (i64::MAX, UserId::from_bytes([0xff; 16]));
    let (at, id) =
        request.after.as_ref().map_or_else(|| Ok(end()), |cursor| cursor.place("users"))?;
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM users WHERE (created_at, id) < (?1, ?2) AND NOT deleted
         ORDER BY created_at DESC, id DESC LIMIT ?3"
    ))?;
    let limit = i64::try_from(request.limit + 1).unwrap_or(i64::MAX);
    let users = query.query_map((at, id.bytes(), limit), user)?.collect::<Result<_, _>>()?;
    Ok(Page::cut(users, request.limit, |user| {
        Cursor::new("users", &(user.created_at.as_millis(), user.id))
    }))
}

pub(super) fn change(
    db: &Connection,
    id: UserId,
    change: &UserChange,
    basis: &Basis,
    now: Timestamp,
) -> Result<User, Fault> {
    let mut user =
        get(db, id)?.filter(|user| !user.deleted).ok_or_else(|| Error::not_found("user"))?;
    let (epoch, was_in_charge) = (user.epoch, user.is_in_charge());
    user.change(change, basis)?;
    if was_in_charge && !user.is_in_charge() && !others_in_charge(db, id)? {
        return Err(last_in_charge().into());
    }
    db.prepare_cached(
        "UPDATE users SET role = ?2, email = ?3, name = ?4, disabled = ?5, version = ?6, profile_version = ?7,
                          access_version = ?8, epoch = ?9 WHERE id = ?1",
    )?
    .execute((
        id.bytes(),
        user.role.as_str(),
        &user.email,
        &user.name,
        user.disabled,
        user.version.0,
        user.profile_version.0,
        user.access_version.0,
        user.epoch,
    ))?;
    if user.epoch > epoch {
        sessions::revoke_user(db, id, user.epoch, now)?;
    }
    if user.disabled {
        sessions::end_all(db, id, None, now)?;
    }
    Ok(user)
}

fn others_in_charge(db: &Connection, id: UserId) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND NOT disabled AND NOT deleted AND id <> ?1)";
    Ok(db.query_row(sql, [id.bytes()], |row| row.get(0))?)
}

pub(super) fn set_password(db: &Connection, id: UserId, hash: &str) -> Result<(), Fault> {
    db.execute(
        "UPDATE users SET password_hash = ?2, password_changed = 1 WHERE id = ?1",
        (id.bytes(), hash),
    )?;
    Ok(())
}

pub(super) fn erase(db: &Connection, id: UserId, now: Timestamp) -> Result<(), Fault> {
    if get(db, id)?.is_some_and(|user| user.is_in_charge()) && !others_in_charge(db, id)? {
        return Err(last_in_charge().into());
    }
    db.execute(
        "UPDATE users SET username = NULL, username_folded = NULL, password_hash = '', password_changed = 1,
                          email = NULL, name = NULL, deleted = 1, deleted_at = ?2, version = version + 1
         WHERE id = ?1",
        (id.bytes(), now.as_millis()),
    )?;
    Ok(())
}

pub(super) fn deleted(
    db: &Connection,
    since: Timestamp,
) -> Result<Vec<(Timestamp, UserId)>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT deleted_at, id FROM users WHERE deleted_at >= ?1 ORDER BY deleted_at, id LIMIT ?2",
    )?;
    let limit = i64::try_from(DELETED_PAGE).unwrap_or(i64::MAX);
    let found = query.query_map((since.as_millis(), limit), |row| {
        Ok((Timestamp::from_millis(row.get(0)?), UserId::from_bytes(row.get(1)?)))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let role: String = row.get(4)?;
    Ok(User {
        id: UserId::from_bytes(row.get(0)?),
        username: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
        password_hash: row.get(2)?,
        password_changed: row.get(3)?,
        role: role.parse().map_err(|_| rusqlite::Error::InvalidColumnName(role))?,
        email: row.get(5)?,
        name: row.get(6)?,
        disabled: row.get(7)?,
        deleted: row.get(8)?,
        version: Version(row.get(9)?),
        profile_version: Version(row.get(10)?),
        access_version: Version(row.get(11)?),
        epoch: row.get(12)?,
        fingerprint: Fingerprint(row.get(13)?),
        created_at: Timestamp::from_millis(row.get(14)?),
    })
}
