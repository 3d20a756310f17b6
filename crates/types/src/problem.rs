//! Problems (RFC 9457) as whoever asked reads them.

use serde_json::{Map, Value};

use crate::{Code, Error, FieldError};

/// The refusal that a problem document tells, as it was raised, with the errors of its members and its extras; nothing where
/// `body` is no such document.
#[must_use]
pub fn read_problem(body: &[u8]) -> Option<Error> {
    let mut document = serde_json::from_slice::<Map<String, Value>>(body).ok()?;
    let mut take = |name: &str| document.remove(name).unwrap_or_default();
    let code: Code = serde_json::from_value(take("code")).ok()?;
    let detail = take("detail").as_str().unwrap_or_default().to_owned();
    let fields: Vec<FieldError> = serde_json::from_value(take("errors")).unwrap_or_default();
    for name in ["type", "title", "status", "requestId"] {
        take(name);
    }
    Some(Error::new(code, detail).with_fields(fields).with_extras(document))
}
