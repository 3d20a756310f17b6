//! What users are: a name for what they may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Authority, Permission, Permissions, named_id};

/// Names a role: 2 to 40 small letters, digits and hyphens, a letter first. Three are built in, others are made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Role(String);

impl Role {
    /// Who buys.
    pub const CUSTOMER: &'static str = "customer";
    /// Who also manages products of their own.
    pub const SELLER: &'static str = "seller";
    /// Who manages everything.
    pub const ADMIN: &'static str = "admin";

    /// Who buys.
    #[must_use]
    pub fn customer() -> Self {
        Self(Self::CUSTOMER.to_owned())
    }

    /// Who also manages products of their own.
    #[must_use]
    pub fn seller() -> Self {
        Self(Self::SELLER.to_owned())
    }

    /// Who manages everything.
    #[must_use]
    pub fn admin() -> Self {
        Self(Self::ADMIN.to_owned())
    }

    /// The word on the wire and in a database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that the name stands for, where something is told about the role.
    #[must_use]
    pub fn id(&self) -> Uuid {
        named_id("role", self.as_str())
    }

    /// What those of a role may do that is built in; `None` for one that is made.
    #[must_use]
    pub fn built_in(&self) -> Option<Authority> {
        const OF_SELLERS: Permissions =
            Permissions::of(&[Permission::ProductsWrite, Permission::StockWrite]);
        match self.as_str() {
            Self::CUSTOMER => Some(Authority::NONE),
            Self::SELLER => Some(Authority { permissions: OF_SELLERS, own_products_only: true }),
            Self::ADMIN => {
                Some(Authority { permissions: Permissions::ALL, own_products_only: false })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let fits = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && (2..=40).contains(&text.len());
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err("expected 2 to 40 small letters, digits and hyphens, a letter first"),
        }
    }
}

impl TryFrom<String> for Role {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
