//! Roles: what users of a kind may do. Three are built in, others are made.

use std::collections::BTreeMap;

use holdfast_types::{
    Authority, Basis, Code, Error, Permission, Permissions, Result, Role, Timestamp, Version,
};
use serde::{Deserialize, Serialize};

use super::CloneIntoOption;

/// A role that was made, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CustomRole {
    /// Its name.
    pub(crate) name: Role,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// What those who have it may do.
    pub(crate) authority: Authority,
    /// Counts changes.
    pub(crate) version: Version,
    /// When.
    pub(crate) created_at: Timestamp,
}

/// A change of a role; `None` leaves a member alone.
#[derive(Clone, Debug)]
pub(crate) struct RoleChange {
    pub(crate) description: Option<Option<String>>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) own_products_only: Option<bool>,
}

impl CustomRole {
    /// The strong entity tag, quotes included.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// Makes a change that is based on `basis`, by who has `holder`. One that alters nothing leaves the version alone.
    /// Refuses with `forbidden`, `precondition-failed` or `version-conflict`.
    pub(crate) fn change(
        &mut self,
        change: &RoleChange,
        basis: &Basis,
        holder: &Authority,
    ) -> Result<()> {
        require_cover(holder, &self.authority)?;
        basis.check_tag(&self.etag())?;
        basis.check_version(self.version, self.version)?;
        let before = self.clone();
        change.description.clone_into_option(&mut self.description);
        let Authority { permissions, own_products_only } = self.authority;
        self.authority = Authority {
            permissions: change.permissions.unwrap_or(permissions),
            own_products_only: change.own_products_only.unwrap_or(own_products_only),
        };
        require_cover(holder, &self.authority)?;
        if *self != before {
            self.version = self.version.next();
        }
        Ok(())
    }
}

/// All roles of a shop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles(BTreeMap<Role, CustomRole>);

impl FromIterator<CustomRole> for Roles {
    fn from_iter<T: IntoIterator<Item = CustomRole>>(roles: T) -> Self {
        Self(roles.into_iter().map(|role| (role.name.clone(), role)).collect())
    }
}

impl Roles {
    /// What those of a role may do, and which version of it says so; nothing, when there is no such role.
    pub(crate) fn standing(&self, role: &Role) -> Standing {
        let of =
            |role: &CustomRole| Standing { authority: role.authority, version: role.version.0 };
        let built_in = || Standing { authority: role.built_in().unwrap_or_default(), version: 0 };
        self.0.get(role).map_or_else(built_in, of)
    }

    /// Refuses a role that there is not.
    pub(crate) fn require(&self, role: &Role) -> Result<Standing> {
        match self.0.contains_key(role) || role.built_in().is_some() {
            true => Ok(self.standing(role)),
            false => Err(Error::invalid("#/role", "there is no such role")),
        }
    }

    /// Those that were made, by name.
    pub(crate) fn into_custom(self) -> impl Iterator<Item = CustomRole> {
        self.0.into_values()
    }
}

/// What a role says at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) authority: Authority,
    /// Of the role; 0 for one that is built in.
    pub(crate) version: i64,
}

/// Nobody grants what they do not hold, and nobody acts on who holds more. Refuses with `forbidden`.
pub(crate) fn require_cover(holder: &Authority, other: &Authority) -> Result<()> {
    if holder.covers(other) {
        return Ok(());
    }
    let missing = |permission: &Permission| !holder.permissions.has(*permission);
    let why = match other.permissions.iter().find(missing) {
        Some(permission) => {
            format!("this wants the permission `{permission}`, which you do not have")
        }
        None => "your permissions are for your own products only".to_owned(),
    };
    Err(Error::new(Code::Forbidden, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packers() -> CustomRole {
        CustomRole {
            name: "packer".parse().unwrap(),
            description: None,
            authority: Authority {
                permissions: Permissions::of(&[Permission::OrdersWrite]),
                own_products_only: false,
            },
            version: Version::FIRST,
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn nobody_widens_a_role_beyond_what_they_hold() {
        let mut role = packers();
        let holder = Authority {
            permissions: Permissions::of(&[Permission::OrdersWrite, Permission::UsersWrite]),
            own_products_only: false,
        };
        let basis = Basis { if_match: None, version: Some(Version(1)) };
        let permissions = |list: &[Permission]| RoleChange {
            description: None,
            permissions: Some(Permissions::of(list)),
            own_products_only: None,
        };
        let wider = permissions(&[Permission::OrdersWrite, Permission::KeysWrite]);
        assert_eq!(role.change(&wider, &basis, &holder).unwrap_err().code(), Code::Forbidden);
        let mut role = packers();
        role.change(&permissions(&[Permission::OrdersRead]), &basis, &holder).unwrap();
        assert_eq!(role.version, Version(2));
        let lesser = Authority { permissions: Permissions::NONE, ..holder };
        let basis = Basis { if_match: None, version: Some(Version(2)) };
        assert!(role.change(&permissions(&[]), &basis, &lesser).is_err(), "nor narrows one");
    }

    #[test]
    fn who_has_a_role_that_is_gone_only_buys() {
        let roles: Roles = [packers()].into_iter().collect();
        let gone: Role = "gone".parse().unwrap();
        assert_eq!(roles.standing(&gone).authority, Authority::NONE);
        assert!(roles.require(&gone).is_err() && roles.require(&Role::admin()).is_ok());
        assert_eq!(roles.standing(&packers().name).version, 1);
    }
}
