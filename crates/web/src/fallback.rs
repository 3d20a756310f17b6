//! What routes answer to paths and methods that they do not have.

use axum::{
    Router,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use holdfast_types::{Code, Error};

use crate::Problem;

/// Adds the answers: `route-not-found`, `method-not-allowed` with `Allow`, and 204 with `Allow` for `OPTIONS`.
pub fn with_fallbacks(routes: Router) -> Router {
    routes.method_not_allowed_fallback(other_method).fallback(no_route)
}

/// The router adds `Allow`.
async fn other_method(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Problem::from(Error::new(
            Code::MethodNotAllowed,
            format!("{method} is not a method of this path"),
        ))
        .into_response(),
    }
}

async fn no_route() -> Problem {
    Problem::from(Error::new(
        Code::RouteNotFound,
        "there is no such route: /openapi.json lists them all",
    ))
}
