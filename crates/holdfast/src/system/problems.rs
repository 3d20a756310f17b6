//! A page about each problem, and one about all of them: where the `type` of a refusal leads.

use std::fmt::Write as _;

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use holdfast_types::{
    Code::{self, *},
    Error,
};
use holdfast_web::{
    NoQuery, Reply,
    problem_catalogue::{Description, PROBLEMS, describe, named},
};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../assets/problem.html");
/// A page that loads nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// `/problems` and `/problems/{code}`.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/problems", get(|_: NoQuery| async { page("Problems", &list()) }))
        .route("/problems/{code}", get(explain))
}

async fn explain(name: Result<Path<String>, PathRejection>, _: NoQuery) -> Reply {
    let problem = name.ok().and_then(|Path(name)| named(&name));
    let problem = problem.ok_or_else(|| Error::new(Code::NotFound, "there is no such problem"))?;
    Ok(page(problem.name, &explanation(problem)))
}

fn page(title: &str, content: &str) -> Response {
    let html = PAGE.replace("{{title}}", title).replace("{{content}}", content);
    let mut response = Html(html).into_response();
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn list() -> String {
    let mut content = "<h1>Problems</h1><p>Every refusal is <code>application/problem+json</code> (RFC 9457); its <code>code</code> is one of these.</p><table><tr><th>Status</th><th>Code</th><th>What it says</th></tr>".to_owned();
    for Description { name, status, title, .. } in PROBLEMS {
        // Writing to a string does not fail.
        let _ = write!(
            content,
            "<tr><td>{status}</td><td><a href=\"/problems/{name}\"><code>{name}</code></a></td><td>{title}</td></tr>"
        );
    }
    content + "</table>"
}

fn explanation(problem: &Description) -> String {
    let Description { name, status, title, cause, remedy, .. } = problem;
    let (cause, remedy) = (in_html(cause), in_html(remedy));
    let example = format!("{:#}", example(problem)).replace('<', "&lt;");
    format!(
        "<h1><code>{name}</code></h1><p><strong>{status} · {title}</strong></p><h2>Cause</h2><p>{cause}</p><h2>What to do</h2><p>{remedy}</p><h2>Example</h2><pre>{example}</pre>"
    )
}

/// Text in which what stands between two backticks is code.
fn in_html(text: &str) -> String {
    let mut pieces = text.split('`');
    let mut html = pieces.next().unwrap_or_default().to_owned();
    for (number, piece) in pieces.enumerate() {
        html.push_str(if number % 2 == 0 { "<code>" } else { "</code>" });
        html.push_str(piece);
    }
    html
}

/// One as a client may meet it.
fn example(problem: &Description) -> Value {
    let mut example = json!({
        "type": format!("/problems/{}", problem.name),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.example,
        "code": problem.name,
        "requestId": "01980d3c-5b0a-7c41-9d0e-2f6b1c7a8e55",
    });
    if let (Some(example), Value::Object(extras)) = (example.as_object_mut(), extras(problem.code))
    {
        example.extend(extras);
    }
    example
}

/// What it says beside what all of them say.
fn extras(code: Code) -> Value {
    const ID: &str = "01980d3b-77aa-7d0c-8f3e-6f1f0c9a2b11";
    let errors = |pointer: &str, code: &str, detail: &str| json!({"errors": [{"pointer": pointer, "code": code, "detail": detail}]});
    match code {
        VersionConflict | PreconditionFailed => {
            json!({"currentVersion": 4, "current": {"id": ID, "version": 4, "name": "Green tea"}})
        }
        InsufficientStock => {
            json!({"items": [{"productId": ID, "requested": 3, "available": 1}]})
        }
        LimitReached => {
            json!({"items": [{"productId": ID, "limit": 2, "ordered": 1, "requested": 2}]})
        }
        NotOnSale => {
            let opens = "2026-12-01T09:00:00.000Z";
            json!({"items": [{"productId": ID, "opensAt": opens}], "opensAt": opens})
        }
        BelowReserved => json!({"reserved": 3}),
        EventsExpired => json!({"oldest": 120_044}),
        InvalidTransition => json!({"orderStatus": "shipped"}),
        PriceChanged => json!({"total": {"amount": 1500, "currency": "USD"}}),
        InvalidParameter => json!({"parameter": "limit"}),
        RateLimited => json!({"retryAfter": 12}),
        UnknownField => errors("#/colour", "unknown-field", describe(code).example),
        Validation => {
            errors("#/price/amount", "invalid", "expected 0 to 1000000000000 minor units")
        }
        UnknownProduct => {
            let detail = format!("there is no product {ID} on offer");
            errors("#/items/0/productId", "unknown-product", &detail)
        }
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_cause_remedy_and_example() {
        for problem in PROBLEMS {
            let page = explanation(problem);
            for told in [problem.cause, problem.remedy, problem.example] {
                assert!(!told.is_empty() && !told.contains('<'), "{}", problem.name);
            }
            assert!(page.matches("<code>").count() == page.matches("</code>").count(), "{page}");
        }
        assert_eq!(in_html("say `a` and `b`"), "say <code>a</code> and <code>b</code>");
    }
}
