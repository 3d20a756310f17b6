//! What users ask for by mail: a new password, and to show that an address is theirs.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Scan, Stored, Tx};
use holdfast_types::{Answer, IdempotentAnswer, Operation, Result, Timestamp, UserId};
use uuid::Uuid;

use super::{ResetGrant, UserStore, accounts::lock, no_content, records::PasswordReset};
use crate::model::User;

/// Accounts of one address that get a letter, and how many are looked at: guests leave theirs behind, and have no password.
const ACCOUNTS: usize = 5;
const LOOKED_AT: usize = 1000;
/// Open permissions of one account that are looked at: a letter leaves four times an hour.
const OPEN: usize = 20;

/// By what somebody says for whom they want a new password.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResetAsked {
    /// The folded name.
    Username(String),
    /// The folded address, of all who have it.
    Email(String),
}

/// What somebody asks for who has forgotten a password.
#[derive(Clone, Debug)]
pub(crate) struct ResetRequest {
    pub(crate) asked: ResetAsked,
    /// A permission that is open and lives longer than that stays, and no other is given: the letter with it has just left.
    pub(crate) enough: Timestamp,
}

impl UserStore {
    /// Keeps a permission to reset the password beside earlier ones for each who is asked for and can have a letter, and tells the
    /// world; once per operation.
    pub(crate) async fn request_reset(
        &self,
        request: &ResetRequest,
        operation: &Operation,
        now: Timestamp,
        grant: impl Fn(UserId) -> (Uuid, ResetGrant) + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (request, outbox, grant) = (request.clone(), self.outbox.clone(), Arc::new(grant));
        let apply = move |tx: Tx| {
            let (request, outbox, grant) = (request.clone(), outbox.clone(), Arc::clone(&grant));
            async move {
                let mut told = Vec::new();
                for id in asked_for(&tx, &request.asked).await? {
                    let (reset, kept) = grant(id);
                    let given = give(&tx, reset, &kept, request.enough).await?;
                    told.extend(given.map(|user| user.wants_reset(reset, now)));
                }
                outbox.put(&tx, told).await?;
                Ok(no_content())
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    /// For whom a permission is that was asked for and is still good, and until when.
    pub(crate) async fn open_reset(
        &self,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<(User, Timestamp)>> {
        let read = move |tx: Tx| async move {
            let reset: Option<Stored<PasswordReset>> = tx.get(id).await?;
            let Some(reset) = reset.filter(|reset| reset.is_open(now)) else { return Ok(None) };
            let user: Option<Stored<User>> = tx.get(reset.user).await?;
            Ok(user.map(|user| (user.into_inner(), reset.expires_at)))
        };
        self.db.read(read).await
    }

    /// Tells the world that a user wants to show that an address is theirs, once per operation; nothing where that is known, and
    /// where there is no address.
    pub(crate) async fn request_verification(
        &self,
        id: UserId,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<IdempotentAnswer> {
        let (outbox, wish) = (self.outbox.clone(), operation.id);
        let apply = move |tx: Tx| {
            let outbox = outbox.clone();
            async move {
                let user = lock(&tx, id).await?;
                let wants = user.email.is_some() && !user.has_verified_email();
                outbox.put(&tx, wants.then(|| user.wants_verification(wish, now))).await?;
                Ok::<Answer, Fault>(no_content())
            }
        };
        self.outbox.once(operation, now, apply).await
    }
}

/// Whose accounts are asked for, in an order that all who hold several keep to.
async fn asked_for(tx: &Tx, asked: &ResetAsked) -> Result<Vec<UserId>, Fault> {
    let mut found: Vec<UserId> = match asked {
        ResetAsked::Username(name) => {
            let user = tx.find::<User>("name", [name.as_str().into()]).await?;
            user.into_iter().map(|user| user.id).collect()
        }
        ResetAsked::Email(email) => {
            let scan = Scan::of("email", LOOKED_AT).equal(email.as_str());
            let found = tx.scan::<User>(scan).await?;
            let known = found.iter().filter(|user| user.reset_address().is_some());
            known.map(|user| user.id).take(ACCOUNTS).collect()
        }
    };
    found.sort_unstable();
    Ok(found)
}

/// Keeps a permission, where a letter about it may leave; says to whom. It ends no other: a stranger asks, perhaps.
async fn give(
    tx: &Tx,
    reset: Uuid,
    kept: &ResetGrant,
    enough: Timestamp,
) -> Result<Option<Stored<User>>, Fault> {
    let user = lock(tx, kept.user).await?;
    if user.reset_address().is_none() || has_letter(tx, kept.user, enough).await? {
        return Ok(None);
    }
    let reset = PasswordReset { by_letter: true, ..PasswordReset::open(reset, kept) };
    tx.insert(&reset).await??;
    Ok(Some(user))
}

/// Whether a letter has brought somebody a permission that lives longer than `enough`.
async fn has_letter(tx: &Tx, user: UserId, enough: Timestamp) -> Result<bool, Fault> {
    let open = tx.scan::<PasswordReset>(Scan::of("open", OPEN).equal(user)).await?;
    Ok(open.len() >= OPEN || open.iter().any(|reset| reset.by_letter && reset.expires_at > enough))
}
