//! What roles look like on the wire.

use holdfast_types::{
    Answer, Authority, Error, Permission, Permissions, Result, Role, Timestamp, Validation,
    Version, check_line,
};
use holdfast_web::{not_null, present};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{CustomRole, RoleChange};

/// Characters of a description.
const DESCRIPTION_CHARS: usize = 200;

/// What users of a kind may do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleView {
    #[schema(value_type = String, format = "role-name", example = "packer")]
    name: Role,
    /// Whether it cannot be changed.
    built_in: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// What those who have it may do for others than themselves: everybody may order.
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
    /// Whether products and stock are only their own.
    own_products_only: bool,
    /// Absent for one that is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    /// Absent for one that is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
}

impl RoleView {
    /// A role that is built in.
    pub(super) fn built_in(name: Role) -> Option<Self> {
        let Authority { permissions, own_products_only } = name.built_in()?;
        Some(Self {
            name,
            built_in: true,
            description: None,
            permissions,
            own_products_only,
            version: None,
            created_at: None,
        })
    }

    /// The answer to a change.
    pub(super) fn shown(role: &CustomRole) -> Result<Answer> {
        Answer::ok(role.etag(), &Self::from(role))
    }

    /// The answer to a creation.
    pub(super) fn created(role: &CustomRole) -> Result<Answer> {
        Ok(Answer { status: 201, ..Self::shown(role)? })
    }
}

impl From<&CustomRole> for RoleView {
    fn from(role: &CustomRole) -> Self {
        let Authority { permissions, own_products_only } = role.authority;
        Self {
            name: role.name.clone(),
            built_in: false,
            description: role.description.clone(),
            permissions,
            own_products_only,
            version: Some(role.version.0),
            created_at: Some(role.created_at),
        }
    }
}

/// All roles.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoleList {
    pub(super) items: Vec<RoleView>,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateRoleBody {
    /// 2 to 40 small letters, digits and hyphens, a letter first.
    #[schema(min_length = 2, max_length = 40, format = "role-name", example = "packer")]
    name: String,
    #[schema(min_length = 1, max_length = 200, format = "line", example = "Packs and ships")]
    description: Option<String>,
    /// Writing includes reading.
    #[schema(value_type = Vec<Permission>, max_items = 20)]
    permissions: Permissions,
    /// Whether products and stock are only their own.
    #[serde(default)]
    #[schema(required = false)]
    own_products_only: bool,
}

impl CreateRoleBody {
    pub(super) fn check(self, now: Timestamp) -> Result<CustomRole> {
        let mut validation = Validation::default();
        let name = validation.take("#/name", self.name.parse::<Role>());
        check_description(&mut validation, self.description.as_deref());
        validation.finish()?;
        let Self { description, permissions, own_products_only, .. } = self;
        Ok(CustomRole {
            name: name.ok_or_else(|| Error::internal("a name that was checked"))?,
            description,
            authority: Authority { permissions, own_products_only },
            version: Version::FIRST,
            created_at: now,
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateRoleBody {
    /// The version that the change is based on; or send `If-Match`.
    #[expect(dead_code, reason = "the basis is read before the rest of the body")]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Option<i64>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, format = "line")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Vec<Permission>, max_items = 20)]
    permissions: Option<Permissions>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    own_products_only: Option<bool>,
}

impl UpdateRoleBody {
    pub(super) fn check(self) -> Result<RoleChange> {
        let mut validation = Validation::default();
        check_description(&mut validation, self.description.as_ref().and_then(Option::as_deref));
        validation.finish()?;
        let Self { description, permissions, own_products_only, .. } = self;
        Ok(RoleChange { description, permissions, own_products_only })
    }
}

fn check_description(validation: &mut Validation, description: Option<&str>) {
    if let Some(text) = description {
        validation.take("#/description", check_line(text, DESCRIPTION_CHARS));
    }
}
