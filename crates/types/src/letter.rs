//! What services say for letters, to whoever writes them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Money, OrderLines, Timestamp, UserId};

/// An order, as a letter to the buyer tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLetter {
    /// Short, for people.
    pub number: String,
    /// Whose it is.
    pub user: UserId,
    /// Where letters about it go; nothing where the account says it.
    pub email: Option<String>,
    /// To whom it is sent.
    pub name: Option<String>,
    /// What was ordered.
    pub items: OrderLines,
    /// What it costs.
    pub total: Money,
    /// Units of it that were refunded and are back in the stock.
    #[serde(default)]
    pub returned: Vec<ReturnedItem>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// Who brings it, once it has left.
    pub carrier: Option<String>,
    /// Under which number.
    pub tracking_number: Option<String>,
    /// Shows whoever has it how the order stands.
    pub status_token: String,
}

/// Units of a product that are back in the stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnedItem {
    /// What the product was called.
    pub name: String,
    /// How many.
    pub quantity: i64,
}

/// An account, as a letter to its owner tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountLetter {
    /// Where letters go.
    pub email: String,
    /// The name to sign in with; nothing for a guest.
    pub username: Option<String>,
    /// The real name.
    pub name: Option<String>,
    /// What the letter is about, and only it may say.
    pub secret: Option<LetterSecret>,
}

/// What the owner of an address shows to say that the letter has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterSecret {
    /// In letters and digits.
    pub token: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// What is asked of an account for a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountQuestion {
    /// Where letters go.
    Address(UserId),
    /// The same, with what a new password is set with: that is called so.
    PasswordReset(Uuid),
    /// The same, with what an address is confirmed with, while it is not.
    EmailVerification(UserId),
}
