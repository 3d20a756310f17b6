//! Refusals and failures as RFC 9457 problems.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use holdfast_types::{Code, Error, Result, Version};
use serde_json::{Map, Value, json};

use crate::{problem_catalogue::describe, trust::NOT_EXECUTED};

/// What a handler returns.
pub type Reply<T = Response> = Result<T, Problem>;

/// An error on its way to a client, and what goes into its headers.
#[derive(Debug)]
pub struct Problem {
    error: Error,
    etag: Option<String>,
    not_executed: bool,
}

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self { error: error.into(), etag: None, not_executed: false }
    }
}

impl Problem {
    /// The error inside.
    #[must_use]
    pub const fn error(&self) -> &Error {
        &self.error
    }

    /// Adds what is current to a conflict, so that a client can merge and repeat: for `version-conflict` and `precondition-failed`.
    /// Only then is it looked up. `show` says its version, its entity tag and what clients see of it.
    pub async fn with_current<T>(
        error: Error,
        find: impl Future<Output = Result<Option<T>>>,
        show: impl FnOnce(&T) -> (Version, String, serde_json::Result<Value>),
    ) -> Self {
        let is_conflict = matches!(error.code(), Code::VersionConflict | Code::PreconditionFailed);
        let current = if is_conflict { find.await.ok().flatten() } else { None };
        match current.map(|current| show(&current)) {
            Some((version, etag, Ok(view))) => Self {
                error: error.with("currentVersion", version.0).with("current", view),
                etag: Some(etag),
                not_executed: false,
            },
            _ => Self::from(error),
        }
    }

    /// Marks that the request was not executed, and will not be.
    #[must_use]
    pub(crate) fn not_executed(self) -> Self {
        Self { not_executed: true, ..self }
    }

    /// The problem document, as batches embed it and `requestId` completes it.
    #[must_use]
    pub fn document(error: &Error) -> Map<String, Value> {
        let description = describe(error.code());
        let mut document = error.extras().clone();
        document.insert("type".into(), format!("/problems/{}", description.name).into());
        document.insert("title".into(), description.title.into());
        document.insert("status".into(), description.status.into());
        document.insert("code".into(), description.name.into());
        document.insert("detail".into(), error.message().into());
        if !error.fields().is_empty() {
            document.insert("errors".into(), json!(error.fields()));
        }
        document
    }
}

/// Travels in the response's extensions until the envelope adds the request id and writes the body.
#[derive(Clone, Debug)]
pub(crate) struct Unwritten(std::sync::Arc<Problem>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(describe(self.error.code()).status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Unwritten(std::sync::Arc::new(self)));
        response
    }
}

impl Unwritten {
    /// What the security log calls it, if it is one of its events.
    pub(crate) fn security_event(&self) -> Option<&'static str> {
        match self.0.error.code() {
            Code::Forbidden | Code::InvalidToken => Some("authz_fail"),
            Code::NotFound if self.0.error.is_hidden() => Some("authz_fail"),
            Code::TokenRevoked => Some("authn_token_reuse"),
            Code::RateLimited => Some("excess_rate_limit_exceeded"),
            _ => None,
        }
    }

    /// Writes the body and the headers that belong to the code; logs what is our fault.
    pub(crate) fn write(&self, request_id: &str, response: &mut Response) {
        let error = &self.0.error;
        if error.code() == Code::Internal {
            tracing::error!(request_id, %error, "request failed");
        }
        let body = body(error, request_id);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.0.not_executed {
            headers.insert(NOT_EXECUTED.clone(), HeaderValue::from_static("true"));
        }
        if let Some(challenge) = challenge(error.code()) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(response.status().as_u16(), 429 | 503)
            || error.code() == Code::IdempotencyInProgress
        {
            let seconds = error.extras().get("retryAfter").and_then(Value::as_u64).unwrap_or(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(etag) =
            self.0.etag.as_deref().filter(|_| error.code() == Code::PreconditionFailed)
            && let Ok(value) = HeaderValue::from_str(etag)
        {
            response.headers_mut().insert(header::ETAG, value);
        }
        *response.body_mut() = body.into();
    }
}

/// The whole document of a problem.
pub(crate) fn body(error: &Error, request_id: &str) -> Bytes {
    let mut document = Problem::document(error);
    document.insert("requestId".into(), request_id.into());
    Bytes::from(serde_json::to_vec(&document).unwrap_or_default())
}

/// RFC 6750 §3.
const fn challenge(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthenticated | Code::InvalidCredentials => Some("Bearer realm=\"holdfast\""),
        Code::InvalidToken | Code::TokenExpired | Code::TokenRevoked => {
            Some("Bearer realm=\"holdfast\", error=\"invalid_token\"")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::FieldError;

    use super::*;
    use crate::problem_catalogue::PROBLEMS;

    #[test]
    fn a_problem_crosses_processes_unchanged() {
        let field =
            FieldError { pointer: "#/a".into(), code: "invalid".into(), detail: "no".into() };
        let raised = Error::new(Code::InsufficientStock, "too few")
            .with("items", json!([{"available": 1}]))
            .with_fields(vec![field]);
        let read = holdfast_types::read_problem(&body(&raised, "id")).unwrap();
        assert_eq!((read.code(), read.message()), (raised.code(), raised.message()));
        assert_eq!((read.fields(), read.extras()), (raised.fields(), raised.extras()));
        assert!(holdfast_types::read_problem(b"<html>").is_none());
    }

    #[test]
    fn every_problem_has_its_own_name_and_code() {
        for problem in PROBLEMS {
            let code: Code = serde_json::from_value(problem.name.into()).unwrap();
            assert_eq!(code, problem.code);
            assert_eq!(PROBLEMS.iter().filter(|other| other.name == problem.name).count(), 1);
        }
        assert_eq!(PROBLEMS.len(), Code::Timeout as usize + 1, "a code without a row");
    }
}
