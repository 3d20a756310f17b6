//! Query parameters: typed, unknown ones refused, empty ones absent.

use axum::{extract::FromRequestParts, http::request::Parts};
use holdfast_types::{Code, Error, Result};
use serde::de::DeserializeOwned;

use crate::Problem;

/// The query of a request as a `T`. Refuses with `invalid-parameter` and the parameter's name.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.insert(Judged);
        Ok(Self(parse(parts.uri.query().unwrap_or_default())?))
    }
}

/// For routes without parameters.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Refuses every parameter.
pub type NoQuery = Query<Nothing>;

/// Marks a request whose parameters an extractor has judged.
#[derive(Clone, Copy)]
pub(crate) struct Judged;

fn parse<T: DeserializeOwned>(query: &str) -> Result<T> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        if pairs.iter().any(|(seen, _)| *seen == name) {
            return Err(invalid_parameter(&name, "the parameter is given twice"));
        }
        pairs.push((name, value));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let pairs = form_urlencoded::parse(encoded.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map_err(|error| {
        let message = error.inner().to_string();
        let name = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        invalid_parameter(name.unwrap_or(&error.path().to_string()), &message)
    })
}

/// The refusal of one parameter.
pub fn invalid_parameter(name: &str, why: &str) -> Error {
    Error::new(Code::InvalidParameter, format!("{name}: {why}")).with("parameter", name)
}
