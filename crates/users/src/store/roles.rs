//! Roles that were made.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Position, Scan, Stored, Tx};
use holdfast_types::{Answer, Code, Error, IdempotentAnswer, Operation, Result, Role, Timestamp};

use super::{
    UserStore, ending,
    keys::KEYS,
    no_content,
    records::{Revocation, Subject},
};
use crate::model::{ApiKey, CustomRole, Roles, User};

/// Roles that a shop may make.
pub(super) const ROLES: usize = 50;
/// Users that are read at a time.
const PAGE: usize = 500;
/// Stands for all roles: whoever changes one, or gives somebody one, locks it.
const ALL: &str = "";

impl UserStore {
    /// All roles of the shop.
    pub(crate) async fn roles(&self) -> Result<Roles> {
        self.db.read(|tx| async move { read_roles(&tx).await }).await
    }

    /// The role of that name, if it was made.
    pub(crate) async fn role(&self, name: &Role) -> Result<Option<CustomRole>> {
        self.db.get(name.as_str()).await
    }

    /// Keeps a role, once per operation. Refuses with `role-taken`, or `limit-reached` when there are 50.
    pub(crate) async fn create_role(
        &self,
        role: CustomRole,
        operation: &Operation,
        render: fn(&CustomRole) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
        let now = role.created_at;
        let create = move |tx: Tx| {
            let role = role.clone();
            async move {
                let count = lock_roles(&tx).await?.into_custom().count();
                if count >= ROLES {
                    let why = format!("a shop makes {ROLES} roles at most");
                    return Err(Error::new(Code::LimitReached, why).into());
                }
                // Nobody is given by it what nobody gave them: an import may have brought users of a role that there was not.
                if tx.get::<CustomRole>(role.name.as_str()).await?.is_some() {
                    return Err(role_taken().into());
                }
                require_unused(&tx, &role.name).await?;
                tx.insert(&role).await??;
                Ok(render(&role)?)
            }
        };
        self.outbox.once(operation, now, create).await
    }

    /// Changes a role as `judge` says; once per operation. When it becomes another one, tokens of the one before are
    /// refused. Refuses with `not-found`.
    pub(crate) async fn change_role(
        &self,
        name: &Role,
        operation: &Operation,
        now: Timestamp,
        render: fn(&CustomRole) -> Result<Answer>,
        judge: impl Fn(&mut CustomRole) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (name, judge) = (name.clone(), Arc::new(judge));
        let change = move |tx: Tx| {
            let (name, judge) = (name.clone(), Arc::clone(&judge));
            async move {
                let mut role = find(&tx, &name).await?;
                let authority = role.authority;
                judge(&mut role)?;
                tx.put(&role).await??;
                if role.authority != authority {
                    let subject = Subject::Role(name, role.version.0);
                    ending::revoke(&tx, subject, now).await?;
                }
                Ok(render(&role)?)
            }
        };
        self.outbox.once(operation, now, change).await
    }

    /// Deletes a role as `judge` permits; once per operation. Refuses with `not-found`, or `role-in-use` while a user has it.
    pub(crate) async fn delete_role(
        &self,
        name: &Role,
        operation: &Operation,
        now: Timestamp,
        judge: impl Fn(&CustomRole) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (name, judge) = (name.clone(), Arc::new(judge));
        let delete = move |tx: Tx| {
            let (name, judge) = (name.clone(), Arc::clone(&judge));
            async move {
                let role = find(&tx, &name).await?;
                judge(&role)?;
                require_unused(&tx, &name).await?;
                tx.delete(role).await?;
                // Whoever had it has another epoch since; one that is made anew begins with version 1.
                let revoked = Subject::Role(name, 0).key();
                if let Some(revoked) = tx.get::<Revocation>(revoked).await? {
                    tx.delete(revoked).await?;
                }
                Ok(no_content())
            }
        };
        self.outbox.once(operation, now, delete).await
    }
}

impl UserStore {
    /// What contradicts itself: users of roles that there are not, and API keys of users that there are not.
    pub(crate) async fn audit(&self) -> Result<Vec<String>> {
        let (mut findings, mut after) = (Vec::new(), None);
        loop {
            let place: Option<Position> = after.take();
            let read = move |tx: Tx| {
                let scan = Scan::of("staff", PAGE).after(place.clone());
                async move { Ok((read_roles(&tx).await?, tx.scan::<User>(scan).await?)) }
            };
            let (roles, staff): (Roles, Vec<Stored<User>>) = self.db.read(read).await?;
            let lacks_role = |user: &&Stored<User>| roles.require(&user.role).is_err();
            findings.extend(staff.iter().filter(lacks_role).map(|user| {
                format!("user {} has the role `{}`, which there is not", user.id, user.role)
            }));
            match staff.last() {
                Some(last) if staff.len() == PAGE => after = Some(last.position(Some("staff"))),
                _ => break,
            }
        }
        let keys = |tx: Tx| async move {
            let mut lost = Vec::new();
            for key in tx.scan::<ApiKey>(Scan::of_keys(KEYS)).await? {
                if tx.get::<User>(key.user).await?.is_none_or(|user| user.deleted) {
                    lost.push(format!(
                        "API key {} is of user {}, who is not there",
                        key.id, key.user
                    ));
                }
            }
            Ok(lost)
        };
        findings.extend(self.db.read(keys).await?);
        Ok(findings)
    }
}

/// The role, while no other transaction changes roles or gives somebody one.
async fn find(tx: &Tx, name: &Role) -> Result<Stored<CustomRole>, Fault> {
    tx.lock::<CustomRole>([ALL.into()]).await?;
    let role = tx.get::<CustomRole>(name.as_str()).await?;
    Ok(role.ok_or_else(|| Error::not_found("role"))?)
}

pub(super) async fn read_roles(tx: &Tx) -> Result<Roles, Fault> {
    let roles = tx.scan::<CustomRole>(Scan::of_keys(ROLES)).await?;
    Ok(roles.into_iter().map(Stored::into_inner).collect())
}

/// The same, while no other transaction changes them or gives somebody one.
pub(super) async fn lock_roles(tx: &Tx) -> Result<Roles, Fault> {
    tx.lock::<CustomRole>([ALL.into()]).await?;
    read_roles(tx).await
}

/// Refuses with `role-in-use`.
async fn require_unused(tx: &Tx, name: &Role) -> Result<(), Fault> {
    let scan = Scan::of("role", 1).equal(name.as_str());
    if tx.scan::<User>(scan).await?.is_empty() {
        return Ok(());
    }
    let why = "users have this role: give them another one first";
    Err(Error::new(Code::RoleInUse, why).into())
}

/// The refusal of a name that another role has.
pub(crate) fn role_taken() -> Error {
    Error::new(Code::RoleTaken, "there is a role of this name")
}
