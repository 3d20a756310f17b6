//! What letters say is asked of the services when a letter is sent: a letter that waits says what is so by then, and no address is
//! kept twice.

use async_trait::async_trait;
use holdfast_types::{AccountLetter, AccountQuestion, OrderId, OrderLetter, Result};

/// What the mail service asks of others.
#[async_trait]
pub trait Facts: Send + Sync {
    /// What there is to say about an order; nothing of one that is not there.
    async fn order(&self, id: OrderId) -> Result<Option<OrderLetter>>;

    /// What there is to say about an account; nothing where no letter is wanted, or where there is no address.
    async fn account(&self, question: &AccountQuestion) -> Result<Option<AccountLetter>>;
}
