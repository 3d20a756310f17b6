//! Writing letters: what they say is asked of the services, and what it looks like of the templates.

use std::time::SystemTime;

use holdfast_types::{
    AccountLetter, AccountQuestion, Error, LetterSecret, OrderId, OrderLetter, Result, UserId,
};
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{Inner, Post};
use crate::{
    model::{Letter, LetterKind, Outcome},
    smtp::to_ascii,
    templates::{Said, SaidOrder, Written},
};

/// A letter that is ready to go, and to which address.
pub(super) struct Ready {
    pub(super) address: String,
    pub(super) message: Message,
}

/// What a letter says, and to whom.
struct Content {
    address: String,
    name: Option<String>,
    username: Option<String>,
    order: Option<OrderLetter>,
    secret: Option<LetterSecret>,
}

const NO_ADDRESS: Outcome = Outcome::Skipped("there is no e-mail address to write to");

impl Inner {
    /// Writes a letter, or says why nobody wants it.
    pub(super) async fn write(
        &self,
        post: &Post,
        letter: &Letter,
    ) -> Result<Result<Ready, Outcome>> {
        let content = match self.content(letter).await? {
            Ok(content) => content,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let base = &post.shop.url;
        let link = |what: &str, token: &str| format!("{base}#/{what}/{token}");
        let status_url = |order: OrderLetter| SaidOrder {
            status_url: link("status", &order.status_token),
            order,
        };
        let what = match letter.kind {
            LetterKind::PasswordReset => "reset",
            _ => "verify",
        };
        let Content { address, name, username, order, secret } = content;
        let said = Said {
            shop: &post.shop,
            name: name.clone(),
            username,
            order: order.map(status_url),
            refund: letter.amount,
            url: secret.as_ref().map(|secret| link(what, &secret.token)),
            expires_at: secret.map(|secret| secret.expires_at),
        };
        let written = post.templates.write(letter.kind, &said)?;
        let Some(to) = to_ascii(&address) else {
            let why = "no letter can be addressed so: before the @ there are only letters of ASCII";
            return Ok(Err(Outcome::Refused(why.to_owned())));
        };
        let message = envelope(post, letter, Mailbox::new(name, to), written)?;
        Ok(Ok(Ready { address, message }))
    }

    async fn content(&self, letter: &Letter) -> Result<Result<Content, Outcome>> {
        let question = match letter.kind {
            LetterKind::PasswordReset => AccountQuestion::PasswordReset(letter.subject),
            LetterKind::EmailVerification => {
                let Some(user) = letter.user else { return Ok(Err(NO_ADDRESS)) };
                AccountQuestion::EmailVerification(user)
            }
            _ => return self.of_order(letter.order).await,
        };
        let is_known = letter.kind == LetterKind::PasswordReset;
        let account = self.facts.account(&question).await?;
        Ok(match account {
            Some(AccountLetter { email: address, username, name, secret }) => {
                // Whoever gave an address that is not theirs does not choose the words that are sent there.
                let name = name.filter(|_| is_known);
                Ok(Content { address, name, username, order: None, secret })
            }
            None => Err(Outcome::Skipped("it is not wanted any more, or there is no address")),
        })
    }

    /// To the address that the order says, or else the account.
    async fn of_order(&self, id: Option<OrderId>) -> Result<Result<Content, Outcome>> {
        let Some(id) = id else { return Ok(Err(NO_ADDRESS)) };
        let Some(order) = self.facts.order(id).await? else { return Ok(Err(NO_ADDRESS)) };
        let (address, name) = match &order.email {
            Some(address) => (address.clone(), order.name.clone()),
            None => match self.account(order.user).await? {
                Some(account) => (account.email, order.name.clone().or(account.name)),
                None => return Ok(Err(NO_ADDRESS)),
            },
        };
        Ok(Ok(Content { address, name, username: None, order: Some(order), secret: None }))
    }

    async fn account(&self, user: UserId) -> Result<Option<AccountLetter>> {
        self.facts.account(&AccountQuestion::Address(user)).await
    }
}

/// The letter as it goes over the wire (RFC 5322). Its `Message-ID` is that of the event, so whoever has it twice can tell.
fn envelope(post: &Post, letter: &Letter, to: Mailbox, written: Written) -> Result<Message> {
    let from = post.server.from();
    let id = format!("<{}@{}>", letter.id, from.email.domain());
    let millis = u64::try_from(letter.created_at.as_millis()).unwrap_or_default();
    let date = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(millis);
    let Written { subject, text, html } = written;
    let mut message = Message::builder()
        .from(from.clone())
        .to(to)
        .subject(subject)
        .message_id(Some(id))
        .date(date)
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(Error::internal)?;
    // Nobody's holidays are of interest to a program (RFC 3834, §5).
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(message)
}
