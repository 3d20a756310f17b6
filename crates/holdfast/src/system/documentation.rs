//! The API's description: OpenAPI for programs, pages for people. All of it works without internet.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use holdfast_types::{Code, Error};
use holdfast_web::{
    NoQuery, Reply,
    problem_catalogue::{Description, named},
};
use serde_json::Value;
use utoipa::{OpenApi as _, ToSchema, openapi::OpenApi};

use super::openapi;

const DOCS_PAGE: &str = include_str!("../../assets/docs.html");
const PROBLEM_PAGE: &str = include_str!("../../assets/problem.html");

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

/// `/`, `/openapi.json`, `/docs` and `/problems/{code}`.
pub(super) fn routes(document: &Value) -> Router {
    let json = Bytes::from(document.to_string());
    Router::new()
        .route("/", get(|| async { axum::response::Redirect::temporary("/docs") }))
        .route(
            "/openapi.json",
            get(move |_: NoQuery| async move { with_type("application/json", json.into()) }),
        )
        .route("/docs", get(|_: NoQuery| async { page(DOCS_PAGE.to_owned()) }))
        .route("/problems/{code}", get(explain_problem))
}

async fn explain_problem(name: Result<Path<String>, PathRejection>, _: NoQuery) -> Reply {
    let problem = name.ok().and_then(|Path(name)| named(&name));
    let problem = problem.ok_or_else(|| Error::new(Code::NotFound, "there is no such problem"))?;
    Ok(page(problem_page(problem)))
}

fn problem_page(problem: &Description) -> String {
    PROBLEM_PAGE
        .replace("{{code}}", problem.name)
        .replace("{{status}}", &problem.status.to_string())
        .replace("{{title}}", problem.title)
        .replace("{{explanation}}", problem.explanation)
}

/// A page that loads nothing from anywhere else.
fn page(html: String) -> Response {
    let mut response = Html(html).into_response();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

fn with_type(media: &'static str, body: Body) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
