//! What letters say, asked of orders and users wherever they are served.

use async_trait::async_trait;
use holdfast_mail::Facts;
use holdfast_orders::Orders;
use holdfast_types::{AccountLetter, AccountQuestion, OrderId, OrderLetter, Result};
use holdfast_web::Peer;

use super::{remote, users_at::UsersAt};

/// Where orders are asked.
pub(super) enum OrdersAt {
    Here(Orders),
    There(Peer),
}

/// What the mail service asks.
pub(super) struct FactsAt {
    pub(super) orders: OrdersAt,
    pub(super) users: UsersAt,
}

#[async_trait]
impl Facts for FactsAt {
    async fn order(&self, id: OrderId) -> Result<Option<OrderLetter>> {
        match &self.orders {
            OrdersAt::Here(orders) => orders.letter(id).await,
            OrdersAt::There(peer) => remote::order_letter(peer, id).await,
        }
    }

    async fn account(&self, question: &AccountQuestion) -> Result<Option<AccountLetter>> {
        match &self.users {
            UsersAt::Here(users) => users.letter(question).await,
            UsersAt::There(peer) => remote::account_letter(peer, question).await,
        }
    }
}
