//! Roles: what they permit, and to whom.

use holdfast_types::{Answer, Authority, IdempotentAnswer, Operation, Result, Role};

use super::Users;
use crate::{
    model::{CustomRole, Roles, Standing, require_cover},
    store::role_taken,
};

impl Users {
    /// What those of a role may do now; nothing, when there is no such role.
    pub(crate) async fn standing(&self, role: &Role) -> Result<Standing> {
        let made = match role.built_in() {
            Some(_) => None,
            None => self.store().role(role).await?,
        };
        Ok(made.into_iter().collect::<Roles>().standing(role))
    }

    /// Keeps a role, once per operation. Refuses with `forbidden`, `role-taken` and `limit-reached`.
    pub(crate) async fn create_role(
        &self,
        role: CustomRole,
        holder: &Authority,
        operation: &Operation,
        render: fn(&CustomRole) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
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
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        let judge = move |role: &CustomRole| require_cover(&holder, &role.authority);
        self.store().delete_role(name, operation, self.now(), judge).await
    }
}
