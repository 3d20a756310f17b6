//! Shaping answers.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use holdfast_types::{Error, Id, IdempotentAnswer};
use serde::Serialize;

use crate::{Problem, Reply};

static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// An answer with a JSON body.
pub fn json_reply(status: u16, body: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(body).map_err(Error::internal)?;
    Ok(json_response(status, body))
}

pub(crate) fn json_response(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The answer to a creation: 201 with where the new resource is and its entity tag.
pub fn created(location: &str, etag: &str, body: &impl Serialize) -> Reply {
    Ok(with_location(with_etag(json_reply(201, body)?, etag), location))
}

/// Adds where what was created is.
#[must_use]
pub fn with_location(mut response: Response, location: &str) -> Response {
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Adds an entity tag, quotes included.
#[must_use]
pub fn with_etag(mut response: Response, etag: &str) -> Response {
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// An answer without content.
#[must_use]
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Answers with what an operation was answered, now or before.
#[must_use]
pub fn answered(given: IdempotentAnswer) -> Response {
    let answer = given.answer;
    let mut response = match answer.body.is_empty() {
        true => {
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::NO_CONTENT).into_response()
        }
        false => json_response(answer.status, answer.body),
    };
    if let Some(etag) = answer.etag {
        response = with_etag(response, &etag);
    }
    replayed(response, given.replayed)
}

/// Marks an answer that an earlier request was given already.
#[must_use]
pub fn replayed(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    response
}

/// The id in the path. One that is no UUID names nothing that exists: `not-found`.
#[derive(Debug)]
pub struct IdPath<Kind>(pub Id<Kind>);

impl<Kind: 'static, S: Send + Sync> FromRequestParts<S> for IdPath<Kind> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let id = found.ok().and_then(|text| text.0.parse().ok());
        Ok(Self(id.ok_or_else(|| Error::not_found("resource"))?))
    }
}
