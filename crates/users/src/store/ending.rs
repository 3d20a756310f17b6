//! Ending what somebody has begun: sessions, tokens, permissions to reset a password.

use std::collections::BTreeSet;

use holdfast_storage::record::{Fault, Position, Scan, Stored, Tx};
use holdfast_types::{SessionId, Timestamp, UserId};

use super::records::{PasswordReset, Revocation, Subject};
use crate::{model::User, tokens::Session};

/// Sessions and permissions that are read at a time.
const PAGE: usize = 500;

/// Ends sessions: their tokens are refused from now on.
pub(super) async fn end(
    tx: &Tx,
    sessions: Vec<Stored<Session>>,
    now: Timestamp,
) -> Result<(), Fault> {
    let revocation = |session: &Stored<Session>| Revocation {
        subject: Subject::Session(session.id),
        at: Session::last_issue(session.expires_at).max(now),
    };
    let revocations: Vec<Revocation> = sessions.iter().map(revocation).collect();
    remove(tx, sessions).await?;
    Ok(tx.insert_all(&revocations).await??)
}

async fn sessions_of(tx: &Tx, user: UserId) -> Result<Vec<Stored<Session>>, Fault> {
    let (mut sessions, mut after): (Vec<Stored<Session>>, Option<Position>) = (Vec::new(), None);
    loop {
        let page = tx.scan::<Session>(Scan::of("user", PAGE).equal(user).after(after)).await?;
        let count = page.len();
        after = page.last().map(|last| last.position(Some("user")));
        sessions.extend(page);
        if count < PAGE {
            return Ok(sessions);
        }
    }
}

/// Ends all sessions of a user but `keep`.
pub(super) async fn end_all(
    tx: &Tx,
    user: UserId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut sessions = sessions_of(tx, user).await?;
    sessions.retain(|session| Some(session.id) != keep);
    end(tx, sessions, now).await
}

/// Makes a user's tokens bad that were made before `epoch`. Before the sessions end: they know how old tokens are.
pub(super) async fn revoke_user(
    tx: &Tx,
    user: UserId,
    epoch: i64,
    now: Timestamp,
) -> Result<(), Fault> {
    let sessions = sessions_of(tx, user).await?;
    let issued = sessions.iter().map(|session| Session::last_issue(session.expires_at)).max();
    let at = issued.map_or(now, |issued| issued.max(now));
    revoke(tx, Subject::User(user, epoch), at).await
}

/// Notes whose tokens are bad from now on that were made until `at`.
pub(super) async fn revoke(tx: &Tx, subject: Subject, at: Timestamp) -> Result<(), Fault> {
    match tx.get::<Revocation>(subject.key()).await? {
        Some(mut kept) => {
            (kept.subject, kept.at) = (subject, kept.at.max(at));
            tx.put(&kept).await??;
        }
        None => tx.insert(&Revocation { subject, at }).await??,
    }
    Ok(())
}

/// Deletes sessions, and guests whose last one it was.
pub(super) async fn remove(tx: &Tx, sessions: Vec<Stored<Session>>) -> Result<(), Fault> {
    let users: BTreeSet<UserId> = sessions.iter().map(|session| session.user).collect();
    tx.delete_all(sessions).await?;
    for user in users {
        forget_guest(tx, user).await?;
    }
    Ok(())
}

/// Forgets a guest who has no session left: nobody can be them any more. Their orders stay under the id.
async fn forget_guest(tx: &Tx, id: UserId) -> Result<(), Fault> {
    let user: Option<Stored<User>> = tx.get(id).await?;
    let Some(user) = user.filter(|user| user.guest && !user.disabled) else { return Ok(()) };
    match sessions_of(tx, id).await?.is_empty() {
        true => tx.delete(user).await,
        false => Ok(()),
    }
}

/// Ends all permissions of a user. There is one at most: each ends those before it.
pub(super) async fn end_resets(tx: &Tx, user: UserId) -> Result<(), Fault> {
    for mut reset in tx.scan::<PasswordReset>(Scan::of("open", PAGE).equal(user)).await? {
        reset.used = true;
        tx.put(&reset).await??;
    }
    Ok(())
}
