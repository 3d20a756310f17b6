//! Accounts.

use std::{ops::Bound, sync::Arc};

use holdfast_storage::record::{Fault, Scan, Stored, Tx, Value};
use holdfast_types::{Answer, Error, IdempotentAnswer, Operation, Result, Timestamp, UserId};
use uuid::Uuid;

use super::{
    DELETED_PAGE, PasswordChange, Render, STAFF_NAMES, UserStore, ending, keys, last_in_charge,
    no_content, roles, username_taken,
};
use crate::model::{Claim, MfaEnds, NewUser, Roles, User};

/// Stands for all users: whoever decides by how many there are of a kind locks it.
const EVERYBODY: Uuid = Uuid::nil();

impl UserStore {
    /// Registers a user once per id: a second call returns the one that is there and `true`, also one deleted since.
    /// Refuses with `username-taken`.
    pub(crate) async fn create(&self, new: &NewUser) -> Result<(User, bool)> {
        let (user, outbox) = (User::new(new), self.outbox.clone());
        let create = move |tx: Tx| {
            let (user, outbox) = (user.clone(), outbox.clone());
            async move {
                let (user, was_there) = tx.create(user).await?.map_err(|_| username_taken())?;
                let news = (!was_there).then(|| user.has_come(user.created_at));
                outbox.put(&tx, news.into_iter().flatten()).await?;
                Ok((user, was_there))
            }
        };
        self.db.transact(create).await
    }

    /// Makes a guest's account a registered one, and ends all its sessions; once per operation.
    /// Refuses with `username-taken`, and with `forbidden` what is no guest's.
    pub(crate) async fn claim(
        &self,
        claim: &Claim,
        operation: &Operation,
        now: Timestamp,
        render: Render,
    ) -> Result<IdempotentAnswer> {
        let (claim, outbox) = (claim.clone(), self.outbox.clone());
        let apply = move |tx: Tx| {
            let (claim, outbox) = (claim.clone(), outbox.clone());
            async move {
                let mut user = lock(&tx, claim.user).await?;
                user.register(&claim)?;
                tx.put(&user).await?.map_err(|_| username_taken())?;
                ending::end_all(&tx, claim.user, None, now).await?;
                outbox.put(&tx, user.has_come(now)).await?;
                Ok(render(&user)?)
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    /// Registers a user only while there is none at all; says whether it did.
    pub(crate) async fn create_first(&self, new: &NewUser) -> Result<bool> {
        let (user, outbox) = (User::new(new), self.outbox.clone());
        let create = move |tx: Tx| {
            let (user, outbox) = (user.clone(), outbox.clone());
            async move {
                tx.lock::<User>([EVERYBODY.into()]).await?;
                let is_first = tx.scan::<User>(Scan::of_keys(1)).await?.is_empty();
                if is_first {
                    tx.insert(&user).await??;
                    outbox.put(&tx, user.has_come(user.created_at)).await?;
                }
                Ok(is_first)
            }
        };
        self.db.transact(create).await
    }

    /// The user with that id, deleted ones included.
    pub(crate) async fn get(&self, id: UserId) -> Result<Option<User>> {
        self.db.get(id).await
    }

    /// The user with that folded name.
    pub(crate) async fn find(&self, folded: &str) -> Result<Option<User>> {
        self.db.find("name", [folded.into()]).await
    }

    /// The names of sellers and administrators, [`STAFF_NAMES`] at most.
    pub(crate) async fn staff(&self) -> Result<Vec<String>> {
        let scan = Scan::of("staff", STAFF_NAMES);
        let staff = self.scan(scan).await?;
        Ok(staff.into_iter().map(|user| user.into_inner().username).collect())
    }

    /// Users that were deleted at `since` or later, the earliest first, [`DELETED_PAGE`] at most.
    pub(crate) async fn deleted(&self, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
        let from = Bound::Included(Value::from(since));
        let scan = Scan::of("deletion", DELETED_PAGE).range(from, Bound::Unbounded);
        let deleted = self.scan(scan).await?;
        Ok(deleted.iter().filter_map(|user| Some((user.left_at()?, user.id))).collect())
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<Stored<User>>> {
        let read = move |tx: Tx| {
            let scan = scan.clone();
            async move { tx.scan::<User>(scan).await }
        };
        self.db.read(read).await
    }

    /// Changes a user as `judge` says, once per operation: what users say about themselves. Of an address that is new the world is
    /// told, so that its owner can be asked; permissions to reset the password end then.
    pub(crate) async fn change(
        &self,
        id: UserId,
        operation: &Operation,
        now: Timestamp,
        render: Render,
        judge: impl Fn(&mut User) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (judge, outbox, wish) = (Arc::new(judge), self.outbox.clone(), operation.id);
        let apply = move |tx: Tx| {
            let (judge, outbox) = (Arc::clone(&judge), outbox.clone());
            async move {
                let mut user = lock_present(&tx, id).await?;
                let before = user.email.clone();
                judge(&mut user)?;
                tx.put(&user).await??;
                let is_new = user.email != before;
                if is_new {
                    // What was sent to the address of before is good for nothing any more.
                    ending::end_resets(&tx, id).await?;
                }
                let asks = is_new && user.email.is_some() && !user.has_verified_email();
                outbox.put(&tx, asks.then(|| user.wants_verification(wish, now))).await?;
                Ok(render(&user)?)
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    /// Changes what a user may do as `judge` says, who is told what all roles permit; once per operation.
    /// It ends all the user's tokens and permissions to reset the password, and who is shut out has no session left.
    /// Refuses with `forbidden` when no other administrator would be left.
    pub(crate) async fn change_access(
        &self,
        id: UserId,
        operation: &Operation,
        now: Timestamp,
        render: Render,
        judge: impl Fn(&mut User, &Roles) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let judge = Arc::new(judge);
        let apply = move |tx: Tx| {
            let judge = Arc::clone(&judge);
            async move {
                let mut user = lock_present(&tx, id).await?;
                let (epoch, was_in_charge) = (user.epoch, user.is_in_charge());
                judge(&mut user, &roles::lock_roles(&tx).await?)?;
                if was_in_charge && !user.is_in_charge() {
                    require_others_in_charge(&tx, id).await?;
                }
                tx.put(&user).await??;
                if user.epoch > epoch {
                    ending::revoke_user(&tx, id, user.epoch, now).await?;
                    ending::end_resets(&tx, id).await?;
                }
                if user.disabled {
                    ending::end_all(&tx, id, None, now).await?;
                }
                Ok(render(&user)?)
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    /// Changes a user's second factor as `judge` says, who is told what all roles permit, and ends what that says; once per operation.
    pub(crate) async fn change_mfa(
        &self,
        id: UserId,
        operation: &Operation,
        now: Timestamp,
        render: impl Fn(&User) -> Result<Answer> + Send + Sync + 'static,
        judge: impl Fn(&mut User, &Roles) -> Result<MfaEnds> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (judge, render) = (Arc::new(judge), Arc::new(render));
        let apply = move |tx: Tx| {
            let (judge, render) = (Arc::clone(&judge), Arc::clone(&render));
            async move {
                let mut user = lock_present(&tx, id).await?;
                let ends = judge(&mut user, &roles::read_roles(&tx).await?)?;
                tx.put(&user).await??;
                match ends {
                    MfaEnds::Nothing => {}
                    MfaEnds::SessionsBut(keep) => {
                        ending::end_all(&tx, id, Some(keep), now).await?;
                    }
                    MfaEnds::Tokens => ending::revoke_user(&tx, id, user.epoch, now).await?,
                }
                Ok(render(&user)?)
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    /// Sets a new password if the old one is still `from`, and ends all other sessions and permissions to reset it; once
    /// per operation.
    pub(crate) async fn change_password(
        &self,
        change: &PasswordChange,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<IdempotentAnswer> {
        let change = change.clone();
        let apply = move |tx: Tx| {
            let change = change.clone();
            async move {
                let user = lock(&tx, change.user).await?;
                if user.password_hash != change.from {
                    let why = "the password is wrong";
                    return Err(Error::invalid("#/currentPassword", why).into());
                }
                set_password(&tx, user, change.to, change.keep, now).await?;
                Ok(no_content())
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    /// Erases a user's personal data and ends all sessions; once per operation.
    /// Refuses with `forbidden` when no other administrator is left.
    pub(crate) async fn delete(
        &self,
        id: UserId,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<IdempotentAnswer> {
        let outbox = self.outbox.clone();
        let erase = move |tx: Tx| {
            let outbox = outbox.clone();
            async move {
                let mut user = lock(&tx, id).await?;
                if user.is_in_charge() {
                    require_others_in_charge(&tx, id).await?;
                }
                let had_account = !user.guest;
                user.erase(now);
                tx.put(&user).await??;
                ending::revoke_user(&tx, id, i64::MAX, now).await?;
                ending::end_all(&tx, id, None, now).await?;
                ending::end_resets(&tx, id).await?;
                keys::remove_keys_of(&tx, id, now).await?;
                outbox.put(&tx, had_account.then(|| user.has_left(now))).await?;
                Ok(no_content())
            }
        };
        self.outbox.once(operation, now, erase).await
    }
}

async fn find(tx: &Tx, id: UserId) -> Result<Stored<User>, Fault> {
    Ok(tx.get(id).await?.ok_or_else(|| Error::not_found("user"))?)
}

/// Reads a user whom nobody changes and for whom nobody begins a session meanwhile.
pub(super) async fn lock(tx: &Tx, id: UserId) -> Result<Stored<User>, Fault> {
    tx.lock::<User>([id.into()]).await?;
    find(tx, id).await
}

async fn lock_present(tx: &Tx, id: UserId) -> Result<Stored<User>, Fault> {
    let user = lock(tx, id).await?;
    if user.deleted { Err(Error::not_found("user").into()) } else { Ok(user) }
}

/// A shop keeps an administrator.
async fn require_others_in_charge(tx: &Tx, id: UserId) -> Result<(), Fault> {
    tx.lock::<User>([EVERYBODY.into()]).await?;
    let in_charge = tx.scan::<User>(Scan::of("in_charge", 2)).await?;
    match in_charge.iter().any(|user| user.id != id) {
        true => Ok(()),
        false => Err(last_in_charge().into()),
    }
}

/// Sets a password: nothing that an earlier one opened stays open, but for the session `keep`.
pub(super) async fn set_password(
    tx: &Tx,
    mut user: Stored<User>,
    hash: String,
    keep: Option<holdfast_types::SessionId>,
    now: Timestamp,
) -> Result<(), Fault> {
    user.set_password(hash);
    tx.put(&user).await??;
    ending::end_resets(tx, user.id).await?;
    ending::end_all(tx, user.id, keep, now).await
}
