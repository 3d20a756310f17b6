//! What letters look like on the wire.

use holdfast_types::{Answer, OrderId, Result, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{Letter, LetterKind, LetterStatus};

/// Who takes letters.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MailServerView)]
pub(super) struct ServerView {
    /// Whether there is a server: without one, no letter is written.
    is_configured: bool,
    /// From whom letters are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Shop <shop@example.com>")]
    from: Option<String>,
}

impl ServerView {
    pub(super) const fn of(from: Option<String>) -> Self {
        Self { is_configured: from.is_some(), from }
    }
}

/// A letter to a customer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LetterView {
    /// That of the event that it is about; with the domain of the sender, its `Message-ID`.
    id: Uuid,
    kind: LetterKind,
    status: LetterStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    order_id: Option<OrderId>,
    /// Whose order or account it is about, where the event says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    /// How often the server did not take it.
    attempts: u32,
    /// Why it is not sent, in the words of whoever said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// When it is tried next, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// When the server took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<&Letter> for LetterView {
    fn from(letter: &Letter) -> Self {
        let is_pending = letter.status == LetterStatus::Pending;
        Self {
            id: letter.id.uuid(),
            kind: letter.kind,
            status: letter.status,
            order_id: letter.order,
            user_id: letter.user,
            attempts: letter.attempts,
            problem: letter.problem.clone(),
            next_attempt_at: is_pending.then_some(letter.due),
            sent_at: letter.sent_at,
            created_at: letter.created_at,
        }
    }
}

impl LetterView {
    /// The answer about a letter.
    pub(super) fn shown(letter: &Letter) -> Result<Answer> {
        Answer::untagged(&Self::from(letter))
    }
}

/// Part of the letters.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(super) struct LetterPage {
    items: Vec<LetterView>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}
