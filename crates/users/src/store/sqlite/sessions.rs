//! Statements about sessions, revocations, keys and permissions to reset a password.

use holdfast_storage::{
    Dated,
    sqlite::{Fault, Sqlite},
};
use holdfast_types::{Operation, Result, Secret, SessionId, Timestamp, UserId};
use holdfast_web::auth::Revocations;
use rusqlite::{Connection, OptionalExtension};

use super::{
    super::{Exchanged, ResetGrant},
    accounts,
};
use crate::{
    model::User,
    tokens::{Exchange, RefreshToken, Session, SigningKey},
};

/// Looks again: the password may have changed, or the user been shut out, while the password was verified.
pub(super) fn begin(
    db: &Connection,
    user: &User,
    session: SessionId,
    token_hash: [u8; 32],
    expires_at: Timestamp,
) -> Result<bool, Fault> {
    let current = accounts::get(db, user.id)?;
    if !current
        .is_some_and(|current| current.is_active() && current.password_hash == user.password_hash)
    {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((session.bytes(), user.id.bytes(), token_hash, expires_at.as_millis()))?;
    Ok(true)
}

fn find(db: &Connection, id: SessionId) -> Result<Option<Session>, Fault> {
    let sql = "SELECT user_id, token_hash, generation, expires_at FROM sessions WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Session {
            user: UserId::from_bytes(row.get(0)?),
            newest: row.get(1)?,
            generation: row.get(2)?,
            expires_at: Timestamp::from_millis(row.get(3)?),
        })
    };
    Ok(db.prepare_cached(sql)?.query_row([id.bytes()], read).optional()?)
}

pub(super) fn exchange(
    db: &Connection,
    token: RefreshToken,
    secret: &Secret,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Exchanged, Fault> {
    let Some(session) = find(db, token.session)? else { return Ok(Exchanged::Over) };
    let (newest, steps) = match session.exchange(token, secret, now) {
        Exchange::Over => return Ok(Exchanged::Over),
        Exchange::Foreign => return Ok(Exchanged::Foreign),
        Exchange::Theft => {
            end(db, token.session, now)?;
            return Ok(Exchanged::Theft);
        }
        Exchange::Successor(newest) => (newest, 1),
        Exchange::Same => (session.newest, 0),
    };
    let Some(user) = accounts::get(db, session.user)?.filter(User::is_active) else {
        return Ok(Exchanged::Over);
    };
    let sql = "UPDATE sessions SET token_hash = ?2, generation = generation + ?3, expires_at = max(expires_at, ?4)
               WHERE id = ?1";
    let values = (token.session.bytes(), newest, steps, expires_at.as_millis());
    db.prepare_cached(sql)?.execute(values)?;
    Ok(Exchanged::Renewed(user))
}

/// Ends the session only for tokens of its chain: an invented one has no say.
pub(super) fn end_of_token(
    db: &Connection,
    token: RefreshToken,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), Fault> {
    match find(db, token.session)? {
        Some(session) if session.knows(token, secret) => end(db, token.session, now),
        _ => Ok(()),
    }
}

fn end(db: &Connection, session: SessionId, now: Timestamp) -> Result<(), Fault> {
    let expires_at = db
        .prepare_cached("DELETE FROM sessions WHERE id = ?1 RETURNING expires_at")?
        .query_row([session.bytes()], |row| row.get(0))
        .optional()?;
    let issued = expires_at.map(|at| Session::last_issue(Timestamp::from_millis(at)));
    let at = issued.map_or(now, |issued| issued.max(now));
    db.prepare_cached("INSERT INTO revocations (session_id, at) VALUES (?1, ?2)")?
        .execute((session.bytes(), at.as_millis()))?;
    Ok(())
}

/// Ends all sessions of a user but `keep`.
pub(super) fn end_all(
    db: &Connection,
    user: UserId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Fault> {
    let ids: Vec<[u8; 16]> = db
        .prepare_cached("SELECT id FROM sessions WHERE user_id = ?1")?
        .query_map([user.bytes()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in ids.into_iter().map(SessionId::from_bytes).filter(|id| Some(*id) != keep) {
        end(db, id, now)?;
    }
    Ok(())
}

/// Makes a user's tokens bad that were made before `epoch`. Before the sessions end: they know how old tokens are.
pub(super) fn revoke_user(
    db: &Connection,
    user: UserId,
    epoch: i64,
    now: Timestamp,
) -> Result<(), Fault> {
    let sql = "SELECT max(expires_at) FROM sessions WHERE user_id = ?1";
    let expires_at: Option<i64> = db.query_row(sql, [user.bytes()], |row| row.get(0))?;
    let issued = expires_at.map(|at| Session::last_issue(Timestamp::from_millis(at)));
    let at = issued.map_or(now, |issued| issued.max(now));
    let sql = "INSERT INTO revocations (user_id, epoch, at) VALUES (?1, ?2, ?3)";
    db.execute(sql, (user.bytes(), epoch, at.as_millis()))?;
    Ok(())
}

pub(super) fn revocations(db: &Connection, since: Timestamp) -> Result<Revocations, Fault> {
    let mut revocations = Revocations::default();
    let mut query =
        db.prepare_cached("SELECT user_id, epoch, session_id FROM revocations WHERE at > ?1")?;
    let mut rows = query.query([since.as_millis()])?;
    while let Some(row) = rows.next()? {
        if let Some(session) = row.get::<_, Option<[u8; 16]>>(2)? {
            revocations.sessions.insert(SessionId::from_bytes(session));
        }
        if let (Some(user), Some(epoch)) =
            (row.get::<_, Option<[u8; 16]>>(0)?, row.get::<_, Option<i64>>(1)?)
        {
            revocations.refuse_before(UserId::from_bytes(user), epoch);
        }
    }
    Ok(revocations)
}

pub(super) fn signing_keys(
    db: &Connection,
    fresh: Option<(&SigningKey, Timestamp)>,
) -> Result<Vec<SigningKey>, Fault> {
    if let Some((key, now)) = fresh {
        db.execute(
            "INSERT INTO signing_keys (kid, pkcs8, created_at) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)",
            (&key.kid, &key.pkcs8, now.as_millis()),
        )?;
    }
    let mut query =
        db.prepare_cached("SELECT kid, pkcs8 FROM signing_keys ORDER BY created_at DESC, kid")?;
    let keys =
        query.query_map([], |row| Ok(SigningKey { kid: row.get(0)?, pkcs8: row.get(1)? }))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

pub(super) fn grant_reset(
    db: &Connection,
    grant: &ResetGrant,
    operation: &Operation,
) -> Result<(Timestamp, bool), Fault> {
    let kept = db.execute(
        "INSERT OR IGNORE INTO password_resets (id, token_hash, user_id, expires_at) VALUES (?1, ?2, ?3, ?4)",
        (operation.id.as_bytes(), grant.token_hash, grant.user.bytes(), grant.expires_at.as_millis()),
    )?;
    if kept > 0 {
        let sql =
            "UPDATE password_resets SET used = 1 WHERE user_id = ?1 AND NOT used AND id <> ?2";
        db.execute(sql, (grant.user.bytes(), operation.id.as_bytes()))?;
    }
    let sql = "SELECT expires_at FROM password_resets WHERE id = ?1";
    let expires_at = db.query_row(sql, [operation.id.as_bytes()], |row| row.get(0))?;
    Ok((Timestamp::from_millis(expires_at), kept == 0))
}

pub(super) fn find_reset(
    db: &Connection,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<UserId>, Fault> {
    let sql = "SELECT user_id FROM password_resets WHERE token_hash = ?1 AND NOT used AND expires_at > ?2";
    let found = db.query_row(sql, (token_hash, now.as_millis()), |row| row.get(0)).optional()?;
    Ok(found.map(UserId::from_bytes))
}

/// Ends all permissions of a user.
pub(super) fn end_resets(db: &Connection, user: UserId) -> Result<(), Fault> {
    let sql = "UPDATE password_resets SET used = 1 WHERE user_id = ?1 AND NOT used";
    db.execute(sql, [user.bytes()])?;
    Ok(())
}

/// Forgets what nobody can need any more: no token is left that a revocation is about.
pub(super) async fn forget(db: &Sqlite, before: Timestamp) -> Result<()> {
    for (table, key, at) in [
        ("revocations", "seq", "at"),
        ("sessions", "id", "expires_at"),
        ("password_resets", "id", "expires_at"),
    ] {
        db.forget(Dated { table, key, at }, before).await?;
    }
    Ok(())
}
