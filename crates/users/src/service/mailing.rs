//! What users ask for by mail, and what the letters say.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{
    AccountLetter, AccountQuestion, Code, Error, IdempotentAnswer, LetterSecret, Operation, Result,
    Signed, Timestamp, UserId, fold, named_id,
};
use holdfast_web::Origin;
use tokio::time::Instant;

use super::{Users, accounts::RESET_TIME, guesses::too_many};
use crate::{
    model::User,
    store::{Render, ResetAsked, ResetGrant, ResetRequest},
};

/// After that another letter with a new permission may leave: the one before is good for as long at least.
const RESET_PAUSE: Duration = Duration::from_secs(15 * 60);
/// How long an address can be confirmed by a letter.
const VERIFICATION_TIME: Duration = Duration::from_secs(3 * 24 * 60 * 60);

impl Users {
    /// Counts a letter that somebody asks for against their address. Refuses with `rate-limited`.
    pub(crate) fn admit_letter(&self, origin: &Origin) -> Result<()> {
        self.take_letter(&origin.source())
    }

    /// The same of one that a user brings about, who counts too.
    pub(crate) fn admit_letter_of(&self, user: UserId, origin: &Origin) -> Result<()> {
        self.take_letter(&origin.source())?;
        // No address looks like that.
        self.take_letter(&format!("user {user}"))
    }

    fn take_letter(&self, whose: &str) -> Result<()> {
        let Some(limit) = &self.0.letters else { return Ok(()) };
        let standing = limit.take(whose, Instant::now());
        if standing.allowed { Ok(()) } else { Err(too_many("letters", standing.wait)) }
    }

    /// Lets whoever is asked for set a new password by a letter, once per operation. It is done after the answer, so that its time
    /// tells nobody whether there is such an account. Refuses with `overloaded` when too much of it is under way.
    pub(crate) fn request_reset(
        &self,
        asked: ResetAsked,
        operation: Operation,
        origin: &Origin,
    ) -> Result<()> {
        let busy =
            |_| Error::new(Code::Overloaded, "too many ask for letters: repeat a little later");
        let turn = Arc::clone(&self.0.resets).try_acquire_owned().map_err(busy)?;
        origin.note("authn_password_reset_requested", &"by mail");
        let users = self.clone();
        tokio::spawn(async move {
            if let Err(error) = users.give_resets(asked, &operation).await {
                tracing::warn!(%error, "a new password was asked for, and no letter leaves");
            }
            drop(turn);
        });
        Ok(())
    }

    async fn give_resets(&self, asked: ResetAsked, operation: &Operation) -> Result<()> {
        let now = self.now();
        let enough = now.plus(RESET_TIME).minus(RESET_PAUSE);
        let (users, of) = (self.clone(), operation.id);
        let grant = move |user: UserId| {
            let id = named_id("password reset", &format!("{of} {user}"));
            let token_hash = users.reset_hash(&users.reset_token(id));
            (id, ResetGrant { user, token_hash, expires_at: now.plus(RESET_TIME) })
        };
        let request = ResetRequest { asked, enough };
        self.store().request_reset(&request, operation, now, grant).await.map(|_| ())
    }

    /// Tells whoever writes letters that a user wants to show that an address is theirs, once per operation.
    pub(crate) async fn request_verification(
        &self,
        user: UserId,
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        self.store().request_verification(user, operation, self.now()).await
    }

    /// Notes that an address is the user's to whom the token came, once per operation. Refuses with `validation` a token that is
    /// none, that is old, or that is of another address than the user has by now.
    pub(crate) async fn verify_email(
        &self,
        token: &str,
        operation: &Operation,
        origin: &Origin,
        render: Render,
    ) -> Result<IdempotentAnswer> {
        let attempt = self.0.guesses.admit_nameless(&origin.source())?;
        let verify = async {
            let token = EmailToken::read(token).ok_or_else(unknown_token)?;
            let ((user, expires_at), now) = (read(&token), self.now());
            let users = self.clone();
            let judge = move |user: &mut User| {
                let email = user.email.as_deref().filter(|_| expires_at > now);
                let is_it = |email: &str| token.is_for(&purpose(email), users.secret());
                if !email.is_some_and(is_it) {
                    return Err(unknown_token());
                }
                user.verify_email();
                Ok(())
            };
            if self.store().get(user).await?.is_none_or(|user| user.deleted) {
                return Err(unknown_token());
            }
            self.store().change(user, operation, now, render, judge).await
        };
        attempt.judged(verify.await)
    }

    /// What a letter about an account says; nothing where none is wanted any more, and where there is no address.
    pub async fn letter(&self, question: &AccountQuestion) -> Result<Option<AccountLetter>> {
        match *question {
            AccountQuestion::Address(id) => {
                let user = self.active(id).await?;
                Ok(user.and_then(|user| letter(user, None)))
            }
            AccountQuestion::PasswordReset(id) => {
                let found = self.store().open_reset(id, self.now()).await?;
                let found = found.filter(|(user, _)| user.reset_address().is_some());
                let token = BASE64_URL_SAFE_NO_PAD.encode(self.reset_token(id));
                Ok(found.and_then(|(user, expires_at)| {
                    letter(user, Some(LetterSecret { token, expires_at }))
                }))
            }
            AccountQuestion::EmailVerification(id) => {
                let user = self.active(id).await?.filter(|user| !user.has_verified_email());
                let expires_at = self.now().plus(VERIFICATION_TIME);
                Ok(user.and_then(|user| {
                    let purpose = purpose(user.email.as_deref()?);
                    let token = Signed::new(written(id, expires_at), &purpose, self.secret());
                    letter(user, Some(LetterSecret { token: token.text(), expires_at }))
                }))
            }
        }
    }

    async fn active(&self, id: UserId) -> Result<Option<User>> {
        Ok(self.store().get(id).await?.filter(User::is_active))
    }
}

/// What a token is good for: an address that the user has no more makes it good for nothing.
fn purpose(email: &str) -> Vec<u8> {
    [b"e-mail ".as_slice(), fold(email).as_bytes()].concat()
}

/// A letter to a user who has an address.
fn letter(user: User, secret: Option<LetterSecret>) -> Option<AccountLetter> {
    let username = (!user.guest).then_some(user.username);
    Some(AccountLetter { email: user.email?, username, name: user.name, secret })
}

/// Whose address a token confirms, and until when.
type EmailToken = Signed<24>;

fn written(user: UserId, expires_at: Timestamp) -> [u8; 24] {
    let mut content = [0; 24];
    content[..16].copy_from_slice(user.bytes());
    content[16..].copy_from_slice(&expires_at.as_millis().to_be_bytes());
    content
}

fn read(token: &EmailToken) -> (UserId, Timestamp) {
    let mut user = [0; 16];
    user.copy_from_slice(&token.content[..16]);
    let mut millis = [0; 8];
    millis.copy_from_slice(&token.content[16..]);
    (UserId::from_bytes(user), Timestamp::from_millis(i64::from_be_bytes(millis)))
}

fn unknown_token() -> Error {
    Error::invalid("#/token", "the token has expired, is of another address, or never was one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is_and_until_when() {
        let (user, at) = (UserId::from_bytes([7; 16]), Timestamp::from_millis(1_800_000_000_000));
        let token =
            Signed::new(written(user, at), b"e-mail", &holdfast_types::Secret::new(&[7; 32]));
        assert_eq!(read(&token), (user, at));
    }
}
