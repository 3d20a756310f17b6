//! The routes of the mail service.

mod letters;
mod wire;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::{Lists, Paths, Service, auth::Verifier};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Mail;

/// What is known of the service before it is opened.
pub const SERVICE: Service = Service {
    name: "mail",
    paths: &[Paths { beginning: "/api/letters", is_personal: true }],
    large_bodies: &[],
    types: &[],
};

impl FromRef<Mail> for Arc<Verifier> {
    fn from_ref(mail: &Mail) -> Self {
        mail.verifier()
    }
}

impl FromRef<Mail> for Lists {
    fn from_ref(mail: &Mail) -> Self {
        mail.lists()
    }
}

/// All routes of the service.
pub fn routes(mail: Mail) -> Router {
    table().with_state(mail).into()
}

/// Describes the routes.
#[must_use]
pub fn document() -> OpenApi {
    table().into_openapi()
}

fn table() -> OpenApiRouter<Mail> {
    OpenApiRouter::new()
        .routes(routes!(letters::list_letters))
        .routes(routes!(letters::get_mail_server))
        .routes(routes!(letters::retry_letter))
}
