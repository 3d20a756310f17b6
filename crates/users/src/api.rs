//! The routes of the users service.

mod accounts;
mod administration;
mod internal;
mod key_wire;
mod keys;
mod mailing;
mod mfa;
mod mfa_wire;
mod role_wire;
mod roles;
mod sessions;
mod wire;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::{Lists, Paths, Service, auth::Verifier};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Users;

pub use internal::{Trusted, internal_routes};

/// What is known of the service before it is opened.
pub const SERVICE: Service = Service {
    name: "users",
    paths: &[
        Paths { beginning: "/api/users", is_personal: true },
        Paths { beginning: "/api/roles", is_personal: true },
        Paths { beginning: "/api/keys", is_personal: true },
        // The keys that sign tokens are everybody's.
        Paths { beginning: "/.well-known", is_personal: false },
    ],
    large_bodies: &[],
    types: &[],
};

impl FromRef<Users> for Arc<Verifier> {
    fn from_ref(users: &Users) -> Self {
        users.verifier()
    }
}

impl FromRef<Users> for Lists {
    fn from_ref(users: &Users) -> Self {
        users.lists()
    }
}

/// All routes of the service.
pub fn routes(users: Users) -> Router {
    table().with_state(users).into()
}

/// Describes the routes.
#[must_use]
pub fn document() -> OpenApi {
    table().into_openapi()
}

fn table() -> OpenApiRouter<Users> {
    OpenApiRouter::new()
        .routes(routes!(accounts::register_user))
        .routes(routes!(sessions::begin_guest))
        .routes(routes!(sessions::log_in))
        .routes(routes!(sessions::refresh_session))
        .routes(routes!(sessions::log_out))
        .routes(routes!(accounts::get_me, accounts::update_me))
        .routes(routes!(accounts::change_password))
        .routes(routes!(accounts::delete_me))
        .routes(routes!(administration::list_users))
        .routes(routes!(administration::get_user, administration::update_user))
        .routes(routes!(administration::permit_password_reset))
        .routes(routes!(accounts::reset_password))
        .routes(routes!(mailing::request_password_reset))
        .routes(routes!(mailing::request_email_verification))
        .routes(routes!(mailing::verify_email))
        .routes(routes!(sessions::list_public_keys))
        .routes(routes!(mfa::log_in_with_code))
        .routes(routes!(mfa::get_mfa, mfa::begin_mfa))
        .routes(routes!(mfa::confirm_mfa))
        .routes(routes!(mfa::renew_recovery_codes))
        .routes(routes!(mfa::disable_mfa))
        .routes(routes!(mfa::reset_mfa))
        .routes(routes!(roles::list_roles, roles::create_role))
        .routes(routes!(roles::get_role, roles::update_role, roles::delete_role))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::get_key, keys::update_key, keys::delete_key))
        .routes(routes!(keys::rotate_key))
}
