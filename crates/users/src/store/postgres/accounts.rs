//! Statements about accounts. Whoever changes a user locks the row first, so what was read of it stays true.

use holdfast_storage::postgres::{Fault, Postgres, Row, Tx, bytes};
use holdfast_types::{
    Basis, Cursor, Error, Fingerprint, Page, PageRequest, Result, Timestamp, UserId, Version, fold,
};

use super::sessions;
use crate::{
    model::{NewUser, User, UserChange},
    store::{DELETED_PAGE, STAFF_NAMES, last_in_charge, username_taken},
};

pub(super) const SELECT: &str = "SELECT id, username, password_hash, password_changed, role, email, name, disabled, deleted, version, \
    profile_version, access_version, epoch, fingerprint, created_at FROM users";

pub(super) async fn create(tx: &Tx, new: &NewUser) -> Result<(User, bool), Fault> {
    if let Some(user) = lock(tx, new.id).await? {
        return Ok((user, true));
    }
    let sql =
        "INSERT INTO usernames (folded, user_id) VALUES ($1, $2) ON CONFLICT (folded) DO NOTHING";
    if tx.execute(sql, &[&new.username.folded(), &new.id.uuid()]).await? == 0 {
        // Whoever has it may be the same request, which came twice.
        let taken = username_taken();
        return lock(tx, new.id).await?.map(|user| (user, true)).ok_or(Fault::Refused(taken));
    }
    let inserted = tx
        .execute(
            "INSERT INTO users (id, username, password_hash, role, email, name, version, profile_version, access_version,
                                fingerprint, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, 1, 1, $7, $8) ON CONFLICT (id) DO NOTHING",
            &[
                &new.id.uuid(),
                &new.username.as_str(),
                &new.password_hash,
                &new.role.as_str(),
                &new.email,
                &new.name,
                &new.fingerprint.0.as_slice(),
                &new.created_at.as_millis(),
            ],
        )
        .await?;
    if inserted == 1 { Ok((User::new(new), false)) } else { Err(Fault::Stale) }
}

/// Registers the first user. True also when an attempt before has done so and did not hear of it.
pub(super) async fn create_first(tx: &Tx, new: &NewUser) -> Result<bool, Fault> {
    one_at_a_time(tx).await?;
    match tx.query_opt("SELECT id FROM users LIMIT 1", &[]).await? {
        Some(row) => Ok(row.get::<_, uuid::Uuid>(0) == new.id.uuid()),
        None => create(tx, new).await.map(|_| true),
    }
}

/// Makes decisions that rest on more than one user wait for each other.
pub(super) async fn one_at_a_time(tx: &Tx) -> Result<(), Fault> {
    tx.query("SELECT FROM holdfast_migrations WHERE service = 'users' FOR UPDATE", &[])
        .await
        .map(|_| ())
}

pub(super) async fn get(db: &Postgres, id: UserId) -> Result<Option<User>> {
    let row = db.query_opt(&format!("{SELECT} WHERE id = $1"), &[&id.uuid()]).await?;
    Ok(row.map(|row| user(&row)).transpose()?)
}

/// Locks a user and reads what it is then.
pub(super) async fn lock(tx: &Tx, id: UserId) -> Result<Option<User>, Fault> {
    let row = tx.query_opt(&format!("{SELECT} WHERE id = $1 FOR UPDATE"), &[&id.uuid()]).await?;
    row.map(|row| user(&row)).transpose()
}

pub(super) async fn find(db: &Postgres, folded: &str) -> Result<Option<User>> {
    let sql = format!("{SELECT} WHERE id = (SELECT user_id FROM usernames WHERE folded = $1)");
    let row = db.query_opt(&sql, &[&folded]).await?;
    Ok(row.map(|row| user(&row)).transpose()?)
}

pub(super) async fn staff(db: &Postgres) -> Result<Vec<String>> {
    let sql =
        "SELECT username FROM users WHERE role <> 'customer' AND NOT deleted ORDER BY id LIMIT $1";
    Ok(db.query(sql, &[&STAFF_NAMES]).await?.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn list(db: &Postgres, request: &PageRequest) -> Result<Page<User>> {
    let first = (i64::MAX, UserId::from_bytes([0xff; 16]));
    let (at, id) = request.after.as_ref().map_or(Ok(first), |cursor| cursor.place("users"))?;
    let limit = i64::try_from(request.limit + 1).unwrap_or(i64::MAX);
    let sql = format!(
        "{SELECT} WHERE (created_at, id) < ($1, $2) AND NOT deleted ORDER BY created_at DESC, id DESC LIMIT $3"
    );
    let rows = db.query(&sql, &[&at, &id.uuid(), &limit]).await?;
    let users = rows.iter().map(user).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(users, request.limit, |user| {
        Cursor::new("users", &(user.created_at.as_millis(), user.id))
    }))
}

pub(super) async fn change(
    tx: &Tx,
    id: UserId,
    (change, basis): (&UserChange, &Basis),
    now: Timestamp,
) -> Result<User, Fault> {
    one_at_a_time(tx).await?;
    let found = lock(tx, id).await?.filter(|user| !user.deleted);
    let mut user = found.ok_or_else(|| Error::not_found("user"))?;
    let (epoch, was_in_charge) = (user.epoch, user.is_in_charge());
    user.change(change, basis)?;
    if was_in_charge && !user.is_in_charge() && !others_in_charge(tx, id).await? {
        return Err(last_in_charge().into());
    }
    tx.execute(
        "UPDATE users SET role = $2, email = $3, name = $4, disabled = $5, version = $6, profile_version = $7,
                          access_version = $8, epoch = $9 WHERE id = $1",
        &[
            &id.uuid(),
            &user.role.as_str(),
            &user.email,
            &user.name,
            &user.disabled,
            &user.version.0,
            &user.profile_version.0,
            &user.access_version.0,
            &user.epoch,
        ],
    )
    .await?;
    if user.epoch > epoch {
        sessions::revoke_user(tx, id, user.epoch, now).await?;
    }
    if user.disabled {
        sessions::end_all(tx, id, None, now).await?;
    }
    Ok(user)
}

async fn others_in_charge(tx: &Tx, id: UserId) -> Result<bool, Fault> {
    let sql = "SELECT id FROM users WHERE role = 'admin' AND NOT disabled AND NOT deleted AND id <> $1 LIMIT 1";
    Ok(tx.query_opt(sql, &[&id.uuid()]).await?.is_some())
}

pub(super) async fn set_password(tx: &Tx, id: UserId, hash: &str) -> Result<(), Fault> {
    let sql = "UPDATE users SET password_hash = $2, password_changed = true WHERE id = $1";
    tx.execute(sql, &[&id.uuid(), &hash]).await.map(|_| ())
}

pub(super) async fn erase(tx: &Tx, id: UserId, now: Timestamp) -> Result<(), Fault> {
    one_at_a_time(tx).await?;
    let Some(user) = lock(tx, id).await? else { return Ok(()) };
    if user.is_in_charge() && !others_in_charge(tx, id).await? {
        return Err(last_in_charge().into());
    }
    let name = "DELETE FROM usernames WHERE user_id = $1 AND folded = $2";
    tx.execute(name, &[&id.uuid(), &fold(&user.username)]).await?;
    tx.execute(
        "UPDATE users SET username = NULL, password_hash = '', password_changed = true, email = NULL, name = NULL,
                          deleted = true, deleted_at = $2, version = version + 1
         WHERE id = $1",
        &[&id.uuid(), &now.as_millis()],
    )
    .await
    .map(|_| ())
}

pub(super) async fn deleted(db: &Postgres, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
    let limit = i64::try_from(DELETED_PAGE).unwrap_or(i64::MAX);
    let sql =
        "SELECT deleted_at, id FROM users WHERE deleted_at >= $1 ORDER BY deleted_at, id LIMIT $2";
    let rows = db.query(sql, &[&since.as_millis(), &limit]).await?;
    let read = |row: &Row| (Timestamp::from_millis(row.get(0)), UserId::new(row.get(1)));
    Ok(rows.iter().map(read).collect())
}

pub(super) fn user(row: &Row) -> Result<User, Fault> {
    let role: &str = row.get(4);
    Ok(User {
        id: UserId::new(row.get(0)),
        username: row.get::<_, Option<String>>(1).unwrap_or_default(),
        password_hash: row.get(2),
        password_changed: row.get(3),
        role: role.parse().map_err(|_| Error::internal(format!("{role} is not a role")))?,
        email: row.get(5),
        name: row.get(6),
        disabled: row.get(7),
        deleted: row.get(8),
        version: Version(row.get(9)),
        profile_version: Version(row.get(10)),
        access_version: Version(row.get(11)),
        epoch: row.get(12),
        fingerprint: Fingerprint(bytes(row.get(13))?),
        created_at: Timestamp::from_millis(row.get(14)),
    })
}
