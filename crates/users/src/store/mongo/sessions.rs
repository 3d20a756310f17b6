//! Documents of sessions, revocations, keys and permissions to reset a password.

use holdfast_storage::mongo::{Bson, Document, Fault, Mongo, Query, Tx, bson, doc, fields};
use holdfast_types::{Operation, Result, Secret, SessionId, Timestamp, UserId};
use holdfast_web::auth::Revocations;

use super::accounts;
use crate::{
    model::User,
    store::{Exchanged, ResetGrant},
    tokens::{Exchange, RefreshToken, Session, SigningKey},
};

const SESSIONS: &str = "sessions";
const REVOCATIONS: &str = "revocations";
const KEYS: &str = "signing_keys";
const RESETS: &str = "password_resets";

/// Looks again: the password may have changed, or the user been shut out, while the password was verified.
pub(super) async fn begin(
    tx: &Tx,
    user: &User,
    (session, token_hash): (SessionId, &[u8; 32]),
    expires_at: Timestamp,
) -> Result<bool, Fault> {
    if tx.get(SESSIONS, fields::uuid(session.uuid())).await?.is_some() {
        return Ok(true);
    }
    let current = accounts::find(tx, user.id).await?;
    if !current
        .is_some_and(|current| current.is_active() && current.password_hash == user.password_hash)
    {
        return Ok(false);
    }
    accounts::note_login(tx, user.id).await?;
    let document = doc! {
        "_id": fields::uuid(session.uuid()),
        "user_id": fields::uuid(user.id.uuid()),
        "token_hash": fields::binary(token_hash),
        "generation": 0_i64,
        "expires_at": expires_at.as_millis(),
    };
    tx.insert(SESSIONS, vec![document]).await?;
    Ok(true)
}

async fn find(tx: &Tx, id: SessionId) -> Result<Option<Session>, Fault> {
    let found = tx.get(SESSIONS, fields::uuid(id.uuid())).await?;
    let read = |found: Document| {
        Ok(Session {
            user: fields::id(&found, "user_id")?,
            newest: fields::bytes(&found, "token_hash")?,
            generation: fields::number(&found, "generation")?,
            expires_at: fields::time(&found, "expires_at")?,
        })
    };
    found.map(read).transpose()
}

pub(super) async fn exchange(
    tx: &Tx,
    token: RefreshToken,
    secret: &Secret,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<Exchanged, Fault> {
    let Some(session) = find(tx, token.session).await? else { return Ok(Exchanged::Over) };
    let (newest, steps) = match session.exchange(token, secret, now) {
        Exchange::Over => return Ok(Exchanged::Over),
        Exchange::Foreign => return Ok(Exchanged::Foreign),
        Exchange::Theft => {
            end(tx, &[(token.session, session.expires_at)], now).await?;
            return Ok(Exchanged::Theft);
        }
        Exchange::Successor(newest) => (newest, 1_i64),
        Exchange::Same => (session.newest, 0),
    };
    let user = accounts::find(tx, session.user).await?;
    let Some(user) = user.filter(User::is_active) else { return Ok(Exchanged::Over) };
    let like = doc! {"_id": fields::uuid(token.session.uuid()), "generation": session.generation};
    let change = doc! {
        "$set": {"token_hash": fields::binary(&newest)},
        "$inc": {"generation": steps},
        "$max": {"expires_at": expires_at.as_millis()},
    };
    tx.update(SESSIONS, vec![(like, change)]).await?;
    Ok(Exchanged::Renewed(user))
}

/// Ends the session only for tokens of its chain: an invented one has no say.
pub(super) async fn end_of_token(
    tx: &Tx,
    token: RefreshToken,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), Fault> {
    match find(tx, token.session).await? {
        Some(session) if session.knows(token, secret) => {
            end(tx, &[(token.session, session.expires_at)], now).await
        }
        _ => Ok(()),
    }
}

/// Ends sessions that expire at those times.
async fn end(tx: &Tx, sessions: &[(SessionId, Timestamp)], now: Timestamp) -> Result<(), Fault> {
    let ids: Vec<Bson> = sessions.iter().map(|(id, _)| fields::uuid(id.uuid())).collect();
    tx.delete(SESSIONS, doc! {"_id": {"$in": ids}}).await?;
    let revoked = sessions.iter().map(|(id, expires_at)| {
        let at = Session::last_issue(*expires_at).max(now);
        revocation(doc! {"session_id": fields::uuid(id.uuid())}, at)
    });
    tx.insert(REVOCATIONS, revoked.collect()).await
}

async fn of_user(tx: &Tx, user: UserId) -> Result<Vec<(SessionId, Timestamp)>, Fault> {
    let found = tx.find(SESSIONS, &Query::of(doc! {"user_id": fields::uuid(user.uuid())})).await?;
    let read =
        |found: &Document| Ok((fields::id(found, "_id")?, fields::time(found, "expires_at")?));
    found.iter().map(read).collect()
}

/// What other services must refuse while tokens that carry it may still be alive.
fn revocation(what: Document, at: Timestamp) -> Document {
    let mut document = doc! {"_id": bson::oid::ObjectId::new(), "at": at.as_millis()};
    document.extend(what);
    document
}

/// Ends all sessions of a user, whose document was written to, but `keep`.
pub(super) async fn end_all(
    tx: &Tx,
    user: UserId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut sessions = of_user(tx, user).await?;
    sessions.retain(|(id, _)| Some(*id) != keep);
    end(tx, &sessions, now).await
}

/// Makes a user's tokens bad that were made before `epoch`. Before the sessions end: they know how old tokens are.
pub(super) async fn revoke_user(
    tx: &Tx,
    user: UserId,
    epoch: i64,
    now: Timestamp,
) -> Result<(), Fault> {
    let sessions = of_user(tx, user).await?;
    let issued = sessions.iter().map(|(_, expires_at)| Session::last_issue(*expires_at));
    let at = issued.max().map_or(now, |issued| issued.max(now));
    let what = doc! {"user_id": fields::uuid(user.uuid()), "epoch": epoch};
    tx.insert(REVOCATIONS, vec![revocation(what, at)]).await
}

pub(super) async fn revocations(db: &Mongo, since: Timestamp) -> Result<Revocations> {
    let query = Query::of(doc! {"at": {"$gt": since.as_millis()}});
    let mut revocations = Revocations::default();
    for found in db.find(REVOCATIONS, &query).await? {
        if let Some(session) = fields::optional_id(&found, "session_id")? {
            revocations.sessions.insert(session);
        }
        if let Some(user) = fields::optional_id(&found, "user_id")? {
            revocations.refuse_before(user, fields::number(&found, "epoch")?);
        }
    }
    Ok(revocations)
}

fn keys() -> Query {
    Query { sort: Some(doc! {"created_at": -1, "_id": 1}), ..Query::default() }
}

fn key(found: &Document) -> Result<SigningKey> {
    Ok(SigningKey {
        kid: fields::text(found, "_id")?.to_owned(),
        pkcs8: fields::blob(found, "pkcs8")?,
    })
}

pub(super) async fn signing_keys(
    tx: &Tx,
    fresh: &SigningKey,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Fault> {
    let found = tx.find(KEYS, &keys()).await?;
    if !found.is_empty() {
        return Ok(found.iter().map(key).collect::<Result<_>>()?);
    }
    accounts::one_at_a_time(tx).await?;
    let first = doc! {"_id": &fresh.kid, "pkcs8": fields::binary(&fresh.pkcs8), "created_at": now.as_millis()};
    tx.insert(KEYS, vec![first]).await?;
    Ok(vec![fresh.clone()])
}

pub(super) async fn known_keys(db: &Mongo) -> Result<Vec<SigningKey>> {
    db.find(KEYS, &keys()).await?.iter().map(key).collect()
}

pub(super) async fn grant_reset(
    tx: &Tx,
    grant: &ResetGrant,
    operation: &Operation,
) -> Result<(Timestamp, bool), Fault> {
    if let Some(found) = tx.get(RESETS, fields::uuid(operation.id)).await? {
        return Ok((fields::time(&found, "expires_at")?, true));
    }
    let document = doc! {
        "_id": fields::uuid(operation.id),
        "token_hash": fields::binary(&grant.token_hash),
        "user_id": fields::uuid(grant.user.uuid()),
        "expires_at": grant.expires_at.as_millis(),
        "used": false,
    };
    // Two at once collide in the user's document.
    accounts::note_login(tx, grant.user).await?;
    end_resets(tx, grant.user).await?;
    tx.insert(RESETS, vec![document]).await?;
    Ok((grant.expires_at, false))
}

fn open_reset(token_hash: &[u8; 32], now: Timestamp) -> Document {
    doc! {"token_hash": fields::binary(token_hash), "used": false, "expires_at": {"$gt": now.as_millis()}}
}

pub(super) async fn find_reset(
    db: &Mongo,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<UserId>> {
    let found = db.find(RESETS, &Query::of(open_reset(token_hash, now))).await?.pop();
    found.map(|found| fields::id(&found, "user_id")).transpose()
}

/// The user whom an open permission is for; whoever uses it writes to the user's document.
pub(super) async fn open_for(
    tx: &Tx,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<UserId>, Fault> {
    let found = tx.find(RESETS, &Query::of(open_reset(token_hash, now))).await?.pop();
    Ok(found.map(|found| fields::id(&found, "user_id")).transpose()?)
}

/// Ends all permissions of a user.
pub(super) async fn end_resets(tx: &Tx, user: UserId) -> Result<(), Fault> {
    let open = Query::of(doc! {"user_id": fields::uuid(user.uuid()), "used": false});
    let open = tx.find(RESETS, &open).await?;
    let end = |found: Document| {
        let id = found.get("_id").cloned().unwrap_or(Bson::Null);
        (doc! {"_id": id, "used": false}, doc! {"$set": {"used": true}})
    };
    tx.update(RESETS, open.into_iter().map(end).collect()).await
}

/// Forgets what nobody can need any more: no token is left that a revocation is about.
pub(super) async fn forget(db: &Mongo, before: Timestamp) -> Result<()> {
    db.forget(REVOCATIONS, doc! {"at": {"$lt": before.as_millis()}}).await?;
    db.forget(SESSIONS, doc! {"expires_at": {"$lt": before.as_millis()}}).await?;
    db.forget(RESETS, doc! {"expires_at": {"$lt": before.as_millis()}}).await
}
