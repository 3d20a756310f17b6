//! A second factor: begun, confirmed, asked for at a login, given up.

use holdfast_types::{
    Answer, Authority, Code, Error, IdempotentAnswer, Operation, Result, UserId, fold,
};
use holdfast_web::{Origin, auth::Caller};

use super::{Guess, SignedIn, Users};
use crate::{
    mfa_token::{self, MfaToken},
    model::{Mfa, MfaEnds, Roles, User, app_secret, recovery_codes},
    reveal::Nonce,
    tokens::SESSION_TIME,
    work::Work,
};

/// Shapes the answer about a user, so that it can be kept with the change.
pub(crate) trait RenderUser: Fn(&User) -> Result<Answer> + Send + Sync + 'static {}

impl<F: Fn(&User) -> Result<Answer> + Send + Sync + 'static> RenderUser for F {}

/// What an app is told.
pub(crate) struct AppSecret {
    /// `otpauth://…`, for a QR code.
    pub(crate) address: String,
    /// In base 32, to type in.
    pub(crate) secret: String,
}

/// What somebody shows as a second factor.
#[derive(Debug)]
pub(crate) struct SecondFactor<'a> {
    pub(crate) token: &'a str,
    pub(crate) code: &'a str,
    pub(crate) device_token: Option<&'a str>,
    pub(crate) work: Option<&'a Work>,
}

impl Users {
    /// Whether a user's role permits nothing until they have a second factor.
    pub(crate) fn owes_mfa(&self, user: &User) -> bool {
        !user.has_mfa() && !user.guest && self.0.mfa_roles.contains(&user.role)
    }

    /// The refusal of a password alone, with what the second step is taken with.
    pub(super) fn ask_for_code(&self, user: &User) -> Error {
        let token = MfaToken::new(user.id, self.now()).to_wire(user, self.secret());
        let why = "the password is right: send a code of your app, or for recovery, as well";
        Error::new(Code::MfaRequired, why)
            .with("mfaToken", token)
            .with("expiresIn", mfa_token::SECONDS)
    }

    /// Begins a session of who has shown the password and shows a code. Refuses with `invalid-token` and `invalid-credentials`, or
    /// `rate-limited` after too many failures, which count with those of the password.
    pub(crate) async fn log_in_with_code(
        &self,
        factor: &SecondFactor<'_>,
        origin: &Origin,
    ) -> Result<SignedIn> {
        let why = "the `mfaToken` is not good any more: sign in again";
        let foreign = move || Error::new(Code::InvalidToken, why);
        let (token, mark) = MfaToken::from_wire(factor.token).ok_or_else(foreign)?;
        let (secret, now) = (self.secret().clone(), self.now());
        let user = self.store().get(token.user).await?.filter(User::is_active);
        let user = user.filter(|user| token.is_good(&mark, user, &secret, now));
        let user = user.ok_or_else(foreign)?;
        let (folded, source) = (fold(&user.username), origin.source());
        let guess = Guess {
            username: &folded,
            password: factor.code,
            source: &source,
            device_token: factor.device_token,
            work: factor.work,
        };
        let attempt = self.0.guesses.admit(&guess, now)?;
        let code = factor.code.to_owned();
        let judge = move |user: &mut User| match user.is_active()
            && token.is_good(&mark, user, &secret, now)
        {
            true => user.take_code(&code, &secret, now),
            false => Err(foreign()),
        };
        let (first, end) = (self.first_token(now), now.plus(SESSION_TIME));
        let begun = self.store().begin_session_with_code(user.id, first, end, judge).await;
        let begun = begun.map_err(|error| match error.code() {
            Code::Validation => {
                origin.note("authn_login_fail", &user.id);
                let why = "the code is wrong, was used, or has run out";
                Error::new(Code::InvalidCredentials, why)
            }
            _ => error,
        });
        let session = self.signed_in(attempt.judged(begun)?, first).await?;
        let device_token = self.0.guesses.device_token(factor.device_token, &folded);
        Ok(SignedIn { device_token: Some(device_token), ..session })
    }

    /// Runs what rests on a code that somebody tries, within the limits on guessing.
    async fn guess_at_code<T>(
        &self,
        user: UserId,
        origin: &Origin,
        effect: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        // No username has a blank in it.
        self.guess_at(&format!("code of {user}"), &origin.source(), effect).await
    }

    /// Begins with a second factor, once per operation: it counts when it is confirmed. Refuses with `mfa-enabled`.
    pub(crate) async fn begin_mfa(
        &self,
        user: UserId,
        operation: &Operation,
        render: impl RenderUser,
    ) -> Result<IdempotentAnswer> {
        let nonce = Nonce::new(&self.0.random);
        let secret = app_secret(self.secret(), &nonce);
        let begin = move |user: &mut User, _: &Roles| user.begin_mfa(secret);
        let kept = move |user: &User| nonce.keep(render(user)?);
        self.store().change_mfa(user, operation, self.now(), kept, begin).await
    }

    /// What an app is told of a second factor whose secret follows from `nonce`.
    pub(crate) fn app_secret(&self, user: &User, nonce: &Nonce) -> Result<AppSecret> {
        let mfa = Mfa::unconfirmed(app_secret(self.secret(), nonce));
        let (address, secret) = mfa.shown(&self.0.issuer, &user.username)?;
        Ok(AppSecret { address, secret })
    }

    /// The recovery codes that follow from `nonce`.
    pub(crate) fn recovery_codes(&self, nonce: &Nonce) -> Vec<String> {
        recovery_codes(self.secret(), nonce)
    }

    /// Lets a second factor count from now on, once per operation; other sessions end, since they were begun without it.
    pub(crate) async fn confirm_mfa(
        &self,
        caller: &Caller,
        code: String,
        operation: &Operation,
        render: impl RenderUser,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let nonce = Nonce::new(&self.0.random);
        let (recovery, keep) = (self.recovery_codes(&nonce), caller.session);
        let (secret, now) = (self.secret().clone(), self.now());
        let confirm = move |user: &mut User, _: &Roles| {
            user.confirm_mfa(&code, &recovery, keep, &secret, now)
        };
        let kept = move |user: &User| nonce.keep(render(user)?);
        self.change_mfa(caller.user, operation, kept, origin, confirm).await
    }

    /// Gives other recovery codes, once per operation.
    pub(crate) async fn renew_recovery_codes(
        &self,
        user: UserId,
        code: String,
        operation: &Operation,
        render: impl RenderUser,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let nonce = Nonce::new(&self.0.random);
        let recovery = self.recovery_codes(&nonce);
        let (secret, now) = (self.secret().clone(), self.now());
        let renew = move |user: &mut User, _: &Roles| {
            user.renew_recovery_codes(&code, &recovery, &secret, now)
        };
        let kept = move |user: &User| nonce.keep(render(user)?);
        self.change_mfa(user, operation, kept, origin, renew).await
    }

    /// Takes the second factor away for a code, once per operation.
    pub(crate) async fn disable_mfa(
        &self,
        user: UserId,
        code: String,
        operation: &Operation,
        render: impl RenderUser,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let (secret, now) = (self.secret().clone(), self.now());
        let disable = move |user: &mut User, _: &Roles| user.disable_mfa(&code, &secret, now);
        self.change_mfa(user, operation, render, origin, disable).await
    }

    async fn change_mfa(
        &self,
        user: UserId,
        operation: &Operation,
        render: impl RenderUser,
        origin: &Origin,
        judge: impl Fn(&mut User, &Roles) -> Result<MfaEnds> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let change = self.store().change_mfa(user, operation, self.now(), render, judge);
        let given = self.guess_at_code(user, origin, change).await?;
        if !given.replayed {
            origin.note("authn_mfa_change", &user);
        }
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Takes the second factor away of who has lost theirs, who may do no more than `holder`; once per operation.
    pub(crate) async fn reset_mfa(
        &self,
        user: UserId,
        holder: Authority,
        operation: &Operation,
        render: fn(&User) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
        let lose = move |user: &mut User, roles: &Roles| {
            user.may_be_changed_by(&holder, None, roles)?;
            Ok(user.lose_mfa())
        };
        let given = self.store().change_mfa(user, operation, self.now(), render, lose).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }
}
