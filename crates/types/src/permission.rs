//! What somebody may do: reading and writing, by kind of thing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// Something that a role or an API key permits. Writing includes reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is what its name on the wire says")]
pub enum Permission {
    #[serde(rename = "products:read")]
    ProductsRead,
    #[serde(rename = "products:write")]
    ProductsWrite,
    #[serde(rename = "stock:read")]
    StockRead,
    #[serde(rename = "stock:write")]
    StockWrite,
    #[serde(rename = "orders:read")]
    OrdersRead,
    #[serde(rename = "orders:write")]
    OrdersWrite,
    #[serde(rename = "payments:read")]
    PaymentsRead,
    #[serde(rename = "payments:write")]
    PaymentsWrite,
    #[serde(rename = "refunds:read")]
    RefundsRead,
    #[serde(rename = "refunds:write")]
    RefundsWrite,
    #[serde(rename = "users:read")]
    UsersRead,
    #[serde(rename = "users:write")]
    UsersWrite,
    #[serde(rename = "events:read")]
    EventsRead,
    #[serde(rename = "events:write")]
    EventsWrite,
    #[serde(rename = "webhooks:read")]
    WebhooksRead,
    #[serde(rename = "webhooks:write")]
    WebhooksWrite,
    #[serde(rename = "drops:read")]
    DropsRead,
    #[serde(rename = "drops:write")]
    DropsWrite,
    #[serde(rename = "keys:read")]
    KeysRead,
    #[serde(rename = "keys:write")]
    KeysWrite,
}

use Permission::{
    DropsRead, DropsWrite, EventsRead, EventsWrite, KeysRead, KeysWrite, OrdersRead, OrdersWrite,
    PaymentsRead, PaymentsWrite, ProductsRead, ProductsWrite, RefundsRead, RefundsWrite, StockRead,
    StockWrite, UsersRead, UsersWrite, WebhooksRead, WebhooksWrite,
};

impl Permission {
    /// All there are; of each kind of thing the reading comes right before the writing.
    pub const ALL: [Self; 20] = [
        ProductsRead,
        ProductsWrite,
        StockRead,
        StockWrite,
        OrdersRead,
        OrdersWrite,
        PaymentsRead,
        PaymentsWrite,
        RefundsRead,
        RefundsWrite,
        UsersRead,
        UsersWrite,
        EventsRead,
        EventsWrite,
        WebhooksRead,
        WebhooksWrite,
        DropsRead,
        DropsWrite,
        KeysRead,
        KeysWrite,
    ];

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// As it is written on the wire: `orders:read`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A set of permissions: in JSON a list, in a token's `scope` (RFC 8693 §4.2) words with blanks between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u32);

impl Permissions {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Every one.
    pub const ALL: Self = Self::of(&Permission::ALL);

    /// These, and the reading of what may be written.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let (mut bits, mut number) = (0, 0);
        while number < permissions.len() {
            let permission = permissions[number];
            bits |= permission.bit();
            if permission as u8 % 2 == 1 {
                bits |= permission.bit() >> 1;
            }
            number += 1;
        }
        Self(bits)
    }

    /// Whether `permission` is among them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether all of `others` are among them.
    #[must_use]
    pub const fn has_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        Self::of(&permissions.into_iter().collect::<Vec<_>>())
    }
}

/// With blanks between.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(number, permission)| {
            if number > 0 {
                f.write_str(" ")?;
            }
            permission.fmt(f)
        })
    }
}

/// Reads what is displayed. Words that are not known permit nothing: a later version may have written them.
impl FromStr for Permissions {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |word: &str| Permission::ALL.into_iter().find(|one| one.to_string() == word);
        Ok(text.split_ascii_whitespace().filter_map(known).collect())
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&Vec::<Permission>::deserialize(deserializer)?))
    }
}

/// What somebody may do, and with whose things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// What they may do.
    pub permissions: Permissions,
    /// Whether products and stock are only their own.
    #[serde(default)]
    pub own_products_only: bool,
}

impl Authority {
    /// That of who only buys.
    pub const NONE: Self = Self { permissions: Permissions::NONE, own_products_only: false };

    /// Whether who has it may hand on `other`, or act for who has that: nobody grants what they do not hold.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        const OF_PRODUCTS: Permissions = Permissions::of(&[ProductsWrite, StockWrite]);
        let is_as_wide = !self.own_products_only
            || other.own_products_only
            || other.permissions.and(OF_PRODUCTS).is_empty();
        self.permissions.has_all(other.permissions) && is_as_wide
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_may_read() {
        let set = Permissions::of(&[OrdersWrite, EventsRead]);
        assert!(set.has(OrdersRead) && !set.has(EventsWrite));
        assert_eq!(set.to_string(), "orders:read orders:write events:read");
        assert_eq!("orders:write events:read later:read".parse(), Ok(set));
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["orders:read","orders:write","events:read"]"#);
        assert_eq!(serde_json::from_str::<Permissions>(&json).unwrap(), set);
        assert!(serde_json::from_str::<Permissions>(r#"["orders:own"]"#).is_err());
    }

    #[test]
    fn all_are_told_apart() {
        for (number, permission) in Permission::ALL.into_iter().enumerate() {
            assert_eq!(permission as usize, number, "{permission}");
        }
        assert_eq!(Permissions::ALL.iter().count(), Permission::ALL.len());
    }

    #[test]
    fn nobody_covers_more_than_they_have() {
        let all = Authority { permissions: Permissions::ALL, own_products_only: false };
        let own = Authority { own_products_only: true, ..all };
        let buyer = Authority::NONE;
        assert!(all.covers(&own) && all.covers(&all) && own.covers(&own) && own.covers(&buyer));
        assert!(!own.covers(&all) && !buyer.covers(&own));
        let orders =
            Authority { permissions: Permissions::of(&[OrdersWrite]), own_products_only: false };
        assert!(own.covers(&orders), "orders are nobody's products");
        assert!(!orders.covers(&own));
    }
}
