//! The API's description for programs; the page about it is one of the screens.

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use holdfast_web::NoQuery;
use serde_json::Value;
use utoipa::{OpenApi as _, ToSchema, openapi::OpenApi};

use super::openapi;

/// A refusal or a failure, as `application/problem+json` (RFC 9457).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what `holdfast_web::Problem` writes to readers of the API")]
struct Problem {
    /// Resolves on this server to a page that explains the problem.
    #[schema(example = "/problems/version-conflict")]
    r#type: String,
    title: String,
    #[schema(example = 409)]
    status: u16,
    detail: String,
    /// The last segment of `type`.
    #[schema(example = "version-conflict")]
    code: String,
    request_id: String,
    /// What is wrong, member by member.
    errors: Option<Vec<holdfast_types::FieldError>>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "A commerce backend that holds fast when everybody shows up at once.\n\n\
            Every mutating request may carry an `Idempotency-Key` and may then be repeated safely. \
            Updates state the version they are based on, as `version` or as `If-Match`."
    ),
    components(schemas(Problem))
)]
struct Base;

/// One document for the services and the system's own routes.
pub(crate) fn describe(services: impl IntoIterator<Item = OpenApi>) -> Value {
    let mut document = Base::openapi();
    for part in services.into_iter().chain([super::table().into_openapi()]) {
        document.merge(part);
    }
    openapi::complete(&document)
}

/// `/` and `/openapi.json`.
pub(super) fn routes(document: &Value) -> Router {
    let json = Bytes::from(document.to_string());
    Router::new()
        .route("/", get(|| async { axum::response::Redirect::temporary(holdfast_console::DOCS) }))
        .route(
            "/openapi.json",
            get(move |_: NoQuery| async move { with_type("application/json", json.into()) }),
        )
}

fn with_type(media: &'static str, body: Body) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
