//! Statements about sessions, revocations, keys and permissions to reset a password.

use holdfast_storage::{
    Dated,
    postgres::{Fault, Postgres, Row, Tx, Value, bytes},
};
use holdfast_types::{Operation, Result, Secret, SessionId, Timestamp, UserId};
use holdfast_web::auth::Revocations;
use uuid::Uuid;

use super::accounts;
use crate::{
    model::User,
    store::{Exchanged, ResetGrant},
    tokens::{Exchange, RefreshToken, Session, SigningKey},
};

/// Looks again: the password may have changed, or the user been shut out, while the password was verified.
pub(super) async fn begin(
    tx: &Tx,
    user: &User,
    (session, token_hash): (SessionId, &[u8; 32]),
    expires_at: Timestamp,
) -> Result<bool, Fault> {
    let current = accounts::lock(tx, user.id).await?;
    if !current
        .is_some_and(|current| current.is_active() && current.password_hash == user.password_hash)
    {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        &[
            &session.uuid(),
            &user.id.uuid(),
            &token_hash.as_slice(),
            &expires_at.as_millis(),
        ],
    )
    .await?;
    Ok(true)
}

/// Locks the session's user and the session, in this order.
async fn lock(tx: &Tx, id: SessionId) -> Result<Option<(Session, Option<User>)>, Fault> {
    let owner = tx.query_opt("SELECT user_id FROM sessions WHERE id = $1", &[&id.uuid()]).await?;
    let Some(owner) = owner else { return Ok(None) };
    let user = accounts::lock(tx, UserId::new(owner.get(0))).await?;
    let sql =
        "SELECT user_id, token_hash, generation, expires_at FROM sessions WHERE id = $1 FOR UPDATE";
    let Some(row) = tx.query_opt(sql, &[&id.uuid()]).await? else { return Ok(None) };
    let session = Session {
        user: UserId::new(row.get(0)),
        newest: bytes(row.get(1))?,
        generation: row.get(2),
        expires_at: Timestamp::from_millis(row.get(3)),
    };
    Ok(Some((session, user)))
}

pub(super) async fn exchange(
    tx: &Tx,
    token: RefreshToken,
    secret: &Secret,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<Exchanged, Fault> {
    let Some((session, user)) = lock(tx, token.session).await? else {
        return Ok(Exchanged::Over);
    };
    let (newest, steps) = match session.exchange(token, secret, now) {
        Exchange::Over => return Ok(Exchanged::Over),
        Exchange::Foreign => return Ok(Exchanged::Foreign),
        Exchange::Theft => {
            end(tx, &[token.session.uuid()], now).await?;
            return Ok(Exchanged::Theft);
        }
        Exchange::Successor(newest) => (newest, 1_i64),
        Exchange::Same => (session.newest, 0),
    };
    let Some(user) = user.filter(User::is_active) else { return Ok(Exchanged::Over) };
    tx.execute(
        "UPDATE sessions SET token_hash = $2, generation = generation + $3, expires_at = greatest(expires_at, $4)
         WHERE id = $1",
        &[&token.session.uuid(), &newest.as_slice(), &steps, &expires_at.as_millis()],
    )
    .await?;
    Ok(Exchanged::Renewed(user))
}

/// Ends the session only for tokens of its chain: an invented one has no say.
pub(super) async fn end_of_token(
    tx: &Tx,
    token: RefreshToken,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), Fault> {
    match lock(tx, token.session).await? {
        Some((session, _)) if session.knows(token, secret) => {
            end(tx, &[token.session.uuid()], now).await
        }
        _ => Ok(()),
    }
}

async fn end(tx: &Tx, sessions: &[Uuid], now: Timestamp) -> Result<(), Fault> {
    let sql = "DELETE FROM sessions WHERE id = ANY($1) RETURNING id, expires_at";
    let ended = tx.query(sql, &[&sessions]).await?;
    let ids: Vec<Uuid> = ended.iter().map(|row| row.get(0)).collect();
    let issued = |row: &Row| Session::last_issue(Timestamp::from_millis(row.get(1)));
    let at: Vec<i64> = ended.iter().map(|row| issued(row).max(now).as_millis()).collect();
    let sql =
        "INSERT INTO revocations (session_id, at) SELECT * FROM unnest($1::uuid[], $2::bigint[])";
    tx.execute(sql, &[&ids, &at]).await.map(|_| ())
}

/// Ends all sessions of a user, whose row is locked, but `keep`.
pub(super) async fn end_all(
    tx: &Tx,
    user: UserId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Fault> {
    let sql = "SELECT id FROM sessions WHERE user_id = $1 ORDER BY id FOR UPDATE";
    let rows = tx.query(sql, &[&user.uuid()]).await?;
    let ids = rows.iter().map(|row| row.get(0));
    let ids: Vec<Uuid> = ids.filter(|id| Some(*id) != keep.map(SessionId::uuid)).collect();
    end(tx, &ids, now).await
}

/// Makes a user's tokens bad that were made before `epoch`. Before the sessions end: they know how old tokens are.
pub(super) async fn revoke_user(
    tx: &Tx,
    user: UserId,
    epoch: i64,
    now: Timestamp,
) -> Result<(), Fault> {
    let sql = "SELECT max(expires_at) FROM sessions WHERE user_id = $1";
    let expires_at: Option<i64> = tx.query_one(sql, &[&user.uuid()]).await?.get(0);
    let issued = expires_at.map(|at| Session::last_issue(Timestamp::from_millis(at)));
    let at = issued.map_or(now, |issued| issued.max(now));
    let sql = "INSERT INTO revocations (user_id, epoch, at) VALUES ($1, $2, $3)";
    tx.execute(sql, &[&user.uuid(), &epoch, &at.as_millis()]).await.map(|_| ())
}

pub(super) async fn revocations(db: &Postgres, since: Timestamp) -> Result<Revocations> {
    let sql = "SELECT user_id, epoch, session_id FROM revocations WHERE at > $1";
    let mut revocations = Revocations::default();
    for row in db.query(sql, &[&since.as_millis()]).await? {
        if let Some(session) = row.get::<_, Option<Uuid>>(2) {
            revocations.sessions.insert(SessionId::new(session));
        }
        if let (Some(user), Some(epoch)) = (row.get::<_, Option<Uuid>>(0), row.get(1)) {
            revocations.refuse_before(UserId::new(user), epoch);
        }
    }
    Ok(revocations)
}

const KEYS: &str = "SELECT kid, pkcs8 FROM signing_keys ORDER BY created_at DESC, kid";

fn key(row: &Row) -> SigningKey {
    SigningKey { kid: row.get(0), pkcs8: row.get(1) }
}

pub(super) async fn signing_keys(
    tx: &Tx,
    fresh: &SigningKey,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Fault> {
    accounts::one_at_a_time(tx).await?;
    tx.execute(
        "INSERT INTO signing_keys (kid, pkcs8, created_at)
         SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)",
        &[&fresh.kid, &fresh.pkcs8, &now.as_millis()],
    )
    .await?;
    Ok(tx.query(KEYS, &[]).await?.iter().map(key).collect())
}

pub(super) async fn known_keys(db: &Postgres) -> Result<Vec<SigningKey>> {
    Ok(db.query(KEYS, &[]).await?.iter().map(key).collect())
}

pub(super) async fn grant_reset(
    tx: &Tx,
    grant: &ResetGrant,
    operation: &Operation,
) -> Result<(Timestamp, bool), Fault> {
    accounts::lock(tx, grant.user).await?;
    let kept = tx
        .execute(
            "INSERT INTO password_resets (id, token_hash, user_id, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO NOTHING",
            &[
                &operation.id,
                &grant.token_hash.as_slice(),
                &grant.user.uuid(),
                &grant.expires_at.as_millis(),
            ],
        )
        .await?;
    if kept > 0 {
        let sql =
            "UPDATE password_resets SET used = true WHERE user_id = $1 AND NOT used AND id <> $2";
        tx.execute(sql, &[&grant.user.uuid(), &operation.id]).await?;
    }
    let sql = "SELECT expires_at FROM password_resets WHERE id = $1";
    let row = tx.query_one(sql, &[&operation.id]).await?;
    Ok((Timestamp::from_millis(row.get(0)), kept == 0))
}

const OPEN_RESET: &str =
    "SELECT user_id FROM password_resets WHERE token_hash = $1 AND NOT used AND expires_at > $2";

pub(super) async fn find_reset(
    db: &Postgres,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<UserId>> {
    let row = db.query_opt(OPEN_RESET, &[&token_hash.as_slice(), &now.as_millis()]).await?;
    Ok(row.map(|row| UserId::new(row.get(0))))
}

/// The user whom an open permission is for, locked.
pub(super) async fn lock_reset(
    tx: &Tx,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<UserId>, Fault> {
    let values: &[Value<'_>] = &[&token_hash.as_slice(), &now.as_millis()];
    let Some(row) = tx.query_opt(OPEN_RESET, values).await? else { return Ok(None) };
    let user = UserId::new(row.get(0));
    accounts::lock(tx, user).await?;
    // Another change of the password may have ended it meanwhile.
    Ok(tx.query_opt(OPEN_RESET, values).await?.map(|_| user))
}

/// Ends all permissions of a user, whose row is locked.
pub(super) async fn end_resets(tx: &Tx, user: UserId) -> Result<(), Fault> {
    let sql = "UPDATE password_resets SET used = true WHERE user_id = $1 AND NOT used";
    tx.execute(sql, &[&user.uuid()]).await.map(|_| ())
}

/// Forgets what nobody can need any more: no token is left that a revocation is about.
pub(super) async fn forget(db: &Postgres, before: Timestamp) -> Result<()> {
    for (table, key, at) in [
        ("revocations", "seq", "at"),
        ("sessions", "id", "expires_at"),
        ("password_resets", "id", "expires_at"),
    ] {
        db.forget(Dated { table, key, at }, before).await?;
    }
    Ok(())
}
