//! Conditional requests (RFC 9110 §13).

use axum::{
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::IntoResponse,
};
use holdfast_types::{Basis, Code, Error, IfMatch, Operation, Result, Version};
use serde::Serialize;
use serde_json::Value;

use crate::{Reply, json_reply, with_etag};

/// What a change of some members may come as (RFC 7396).
pub const MERGE_PATCH: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// Reads `If-Match`; `None` where there is none.
pub fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>> {
    let Some(tags) = tags(headers, &header::IF_MATCH)? else { return Ok(None) };
    Ok(Some(if tags == ["*"] { IfMatch::Exists } else { IfMatch::Tags(tags) }))
}

/// What an update with this `body` is based on; `precondition-required` when it does not say.
/// A version of the wrong type counts as said: its own refusal comes later, with its pointer.
pub fn basis(headers: &HeaderMap, body: &Value) -> Result<Basis> {
    let version = body.get("version");
    let basis = Basis {
        if_match: if_match(headers)?,
        version: version.and_then(Value::as_i64).map(Version),
    };
    if basis.if_match.is_none() && version.is_none_or(Value::is_null) {
        let detail = "send \"version\" in the body, or If-Match with the entity tag";
        return Err(Error::new(Code::PreconditionRequired, detail));
    }
    Ok(basis)
}

/// A conditional change of something, as it was sent. It is judged where that something is at hand and cannot change.
#[derive(Debug)]
pub struct Edit<T> {
    /// What makes a repeat of it harmless.
    pub operation: Operation,
    pub(crate) change: Result<T>,
    pub(crate) basis: Result<Basis>,
}

impl<T> Edit<T> {
    /// The change and what it is based on, or the first of the refusals: a body that cannot be read or has unknown members,
    /// the missing precondition (428), the stale tag (412), and last the invalid content (422).
    pub fn judge(&self, current_etag: &str) -> Result<(&T, &Basis)> {
        match &self.change {
            Err(error) if error.code() != Code::Validation => Err(error.copy()),
            change => {
                let basis = self.basis.as_ref().map_err(Error::copy)?;
                basis.check_tag(current_etag)?;
                Ok((change.as_ref().map_err(Error::copy)?, basis))
            }
        }
    }
}

/// True when `If-None-Match` names `current`: the client has it already. Weak comparison.
/// A header that cannot be read has no effect: the full answer is always right.
#[must_use]
pub fn not_modified(headers: &HeaderMap, current: &str) -> bool {
    match tags(headers, &header::IF_NONE_MATCH) {
        Ok(Some(tags)) => {
            tags.iter().any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == current)
        }
        _ => false,
    }
}

/// Answers with what `view` shows, unless `If-None-Match` says that the client has it already: then with 304.
pub async fn unless_known<V: Serialize>(
    headers: &HeaderMap,
    etag: &str,
    view: impl AsyncFnOnce() -> Result<V>,
) -> Reply {
    let response = match not_modified(headers, etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json_reply(200, &view().await?)?,
    };
    Ok(with_etag(response, etag))
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<String>>> {
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| invalid(name))?;
        split(text, &mut tags).ok_or_else(|| invalid(name))?;
    }
    let star_among_others = tags.len() > 1 && tags.iter().any(|tag| tag == "*");
    match tags.is_empty() {
        true if headers.contains_key(name) => Err(invalid(name)),
        true => Ok(None),
        false if star_among_others => Err(invalid(name)),
        false => Ok(Some(tags)),
    }
}

/// Splits `"a", W/"b", "c,d"`; `None` when the text is not a list of tags.
fn split(text: &str, tags: &mut Vec<String>) -> Option<()> {
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('*') {
            tags.push("*".into());
            rest = after;
        } else {
            let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
            let end = rest.len() - opaque.len() + opaque.find('"')? + 1;
            tags.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(())
}

fn invalid(name: &HeaderName) -> Error {
    Error::new(
        Code::InvalidHeader,
        format!("{name}: expected `*` or entity tags in quotes, such as \"7-0\""),
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(value: &'static str) -> Result<Option<IfMatch>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
        if_match(&headers)
    }

    #[test]
    fn tags_are_told_apart() {
        assert!(read(r#""1-0", "2,0""#).unwrap().unwrap().allows(r#""2,0""#));
        assert!(!read(r#"W/"1-0""#).unwrap().unwrap().allows(r#""1-0""#));
        assert_eq!(read("*").unwrap(), Some(IfMatch::Exists));
        for broken in ["", "7", "\"7", "*, \"7\"", "\"7\" \"8\""] {
            assert_eq!(read(broken).unwrap_err().code(), Code::InvalidHeader, "{broken}");
        }
    }
}
