//! Roles: what they permit, and to whom.

use holdfast_types::{Answer, Authority, Basis, IdempotentAnswer, Operation, Result, Role};

use super::Users;
use crate::{
    model::{CustomRole, Roles, Standing, User, require_cover},
    store::role_taken,
};

impl Users {
    /// What a user may do now; nothing, when there is no such role.
    pub(crate) async fn standing(&self, user: &User) -> Result<Standing> {
        let role = &user.role;
        let made = match role.built_in() {
            Some(_) => None,
            None => self.store().role(role).await?,
        };
        Ok(self.standing_of(user, made.into_iter().collect::<Roles>().standing(role)))
    }

    /// What is left of what a user's role permits: nothing, as long as a second factor is owed.
    pub(super) fn standing_of(&self, user: &User, standing: Standing) -> Standing {
        match self.owes_mfa(user) {
            true => Standing { authority: Authority::NONE, ..standing },
            false => standing,
        }
    }

    /// Keeps a role, once per operation. Refuses with `forbidden`, `role-taken` and `limit-reached`.
    pub(crate) async fn create_role(
        &self,
        role: CustomRole,
        holder: &Authority,
        operation: &Operation,
        render: fn(&CustomRole) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
        if let Some(given) = self.given(operation).await? {
            return Ok(given);
        }
        require_cover(holder, &role.authority)?;
        if role.name.built_in().is_some() {
            return Err(role_taken());
        }
        self.store().create_role(role, operation, render).await
    }

    /// Changes a role as `judge` says; once per operation. Tokens of what it was are refused within 5 s everywhere.
    pub(crate) async fn change_role(
        &self,
        name: &Role,
        operation: &Operation,
        render: fn(&CustomRole) -> Result<Answer>,
        judge: impl Fn(&mut CustomRole) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let given = self.store().change_role(name, operation, self.now(), render, judge).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Deletes a role that nobody has; once per operation.
    pub(crate) async fn delete_role(
        &self,
        name: &Role,
        holder: Authority,
        basis: Basis,
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        let judge = move |role: &CustomRole| {
            require_cover(&holder, &role.authority)?;
            basis.check_tag(&role.etag())
        };
        self.store().delete_role(name, operation, self.now(), judge).await
    }
}
