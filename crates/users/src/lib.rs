//! The users service: registration, login, second factors, sessions, roles, API keys, and the keys that sign access tokens.

mod api;
mod mfa_token;
mod model;
mod passwords;
mod reveal;
mod service;
mod store;
mod tokens;
mod work;

pub use api::{SERVICE, Trusted, document, internal_routes, routes};
pub use model::{NewUser, Password, User, Username};
pub use service::{FirstAdministrator, GuessQuotas, Settings, Users};
pub use store::{DELETED_PAGE, RECORDS};
