//! The letters that there are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a letter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LetterKind {
    /// The order has come.
    OrderPlaced,
    /// Its money has.
    OrderPaid,
    /// It is on its way.
    OrderShipped,
    /// Money goes back.
    OrderRefunded,
    /// How to set a new password.
    PasswordReset,
    /// How to confirm an address.
    EmailVerification,
}

impl LetterKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::OrderPlaced,
        Self::OrderPaid,
        Self::OrderShipped,
        Self::OrderRefunded,
        Self::PasswordReset,
        Self::EmailVerification,
    ];

    /// The letter about an event of that type.
    pub(crate) fn of(event: &str) -> Option<Self> {
        Some(match event {
            "order.placed" => Self::OrderPlaced,
            "order.paid" => Self::OrderPaid,
            "order.shipped" => Self::OrderShipped,
            "refund.succeeded" => Self::OrderRefunded,
            "user.password_reset_requested" => Self::PasswordReset,
            "user.email_verification_requested" => Self::EmailVerification,
            _ => return None,
        })
    }

    /// Letters that somebody else can bring about are counted apart.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::OrderPlaced | Self::OrderPaid | Self::OrderShipped | Self::OrderRefunded => {
                "order"
            }
            Self::PasswordReset => "reset",
            Self::EmailVerification => "verification",
        }
    }

    /// As it is called on the wire, and as its templates are.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OrderPlaced => "order_placed",
            Self::OrderPaid => "order_paid",
            Self::OrderShipped => "order_shipped",
            Self::OrderRefunded => "order_refunded",
            Self::PasswordReset => "password_reset",
            Self::EmailVerification => "email_verification",
        }
    }
}
