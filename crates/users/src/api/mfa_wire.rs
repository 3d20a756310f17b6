//! What a second factor looks like on the wire.

use holdfast_types::Answer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Users,
    model::User,
    service::{RenderUser, SecondFactor},
    work::Work,
};

/// Whether a password alone signs in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MfaView {
    enabled: bool,
    /// Present when the role permits nothing until there is one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    /// Codes for recovery that were not used.
    recovery_codes_left: usize,
    /// For the app, in base 32: only in the answer that begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: Option<String>,
    /// The same as an address, for a QR code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "otpauth://totp/holdfast:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=holdfast"
    )]
    otpauth_url: Option<String>,
    /// For the day on which the app is lost, each good once: only in the answer that gives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

impl MfaView {
    pub(super) fn new(user: &User, required: bool) -> Self {
        Self {
            enabled: user.has_mfa(),
            required,
            recovery_codes_left: user.recovery_codes_left(),
            secret: None,
            otpauth_url: None,
            recovery_codes: None,
        }
    }
}

/// The answer to a change, as it is kept: without secrets.
pub(super) fn settled(users: &Users) -> impl RenderUser {
    let users = users.clone();
    move |user: &User| {
        let view = MfaView::new(user, users.owes_mfa(user));
        Ok(Answer { etag: None, ..Answer::ok(String::new(), &view)? })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MfaLoginBody {
    /// As the refusal gave it; good for five minutes.
    mfa_token: String,
    /// Six digits of the app, or a code for recovery; blanks and hyphens do not matter.
    #[schema(max_length = 32, example = "287082")]
    code: String,
    /// What an earlier login on this device gave.
    device_token: Option<String>,
    /// The answer to the challenge that a refusal gave as `proofOfWork`, with the code in the password's place.
    proof_of_work: Option<Work>,
}

impl MfaLoginBody {
    pub(super) fn factor(&self) -> SecondFactor<'_> {
        SecondFactor {
            token: &self.mfa_token,
            code: &self.code,
            device_token: self.device_token.as_deref(),
            work: self.proof_of_work.as_ref(),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CodeBody {
    /// Six digits of the app, or a code for recovery; blanks and hyphens do not matter.
    #[schema(max_length = 32, example = "287082")]
    pub(super) code: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PasswordProofBody {
    pub(super) password: String,
}
