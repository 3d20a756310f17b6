//! Members of documents, and back. What is missing or of another type was damaged by somebody else.

use holdfast_types::{Currency, Error, Fingerprint, Id, Result, Timestamp};
use mongodb::bson::{Binary, Bson, Document, Uuid, spec::BinarySubtype};

fn damaged(name: &str) -> Error {
    Error::internal(format!("a document has no proper member `{name}`"))
}

/// An id, as it is kept: a UUID in binary form.
#[must_use]
pub fn uuid(id: uuid::Uuid) -> Bson {
    Bson::from(Uuid::from_bytes(id.into_bytes()))
}

/// Bytes, as they are kept.
#[must_use]
pub fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

/// The id in a value.
pub fn id_of<Kind>(value: Option<&Bson>) -> Result<Id<Kind>> {
    match value {
        Some(Bson::Binary(binary)) => {
            let bytes = binary.bytes.as_slice().try_into().map_err(|_| damaged("id"))?;
            Ok(Id::from_bytes(bytes))
        }
        _ => Err(damaged("id")),
    }
}

/// The id in a member.
pub fn id<Kind>(document: &Document, name: &str) -> Result<Id<Kind>> {
    id_of(document.get(name))
}

/// The id in a member that may be missing.
pub fn optional_id<Kind>(document: &Document, name: &str) -> Result<Option<Id<Kind>>> {
    document.get(name).map(|value| id_of(Some(value))).transpose()
}

/// A whole number.
pub fn number(document: &Document, name: &str) -> Result<i64> {
    optional_number(document, name)?.ok_or_else(|| damaged(name))
}

/// A whole number that may be missing.
pub fn optional_number(document: &Document, name: &str) -> Result<Option<i64>> {
    match document.get(name) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::Int64(number)) => Ok(Some(*number)),
        Some(Bson::Int32(number)) => Ok(Some(i64::from(*number))),
        Some(_) => Err(damaged(name)),
    }
}

/// A point in time, in milliseconds since the Unix epoch.
pub fn time(document: &Document, name: &str) -> Result<Timestamp> {
    number(document, name).map(Timestamp::from_millis)
}

/// A point in time that may be missing.
pub fn optional_time(document: &Document, name: &str) -> Result<Option<Timestamp>> {
    Ok(optional_number(document, name)?.map(Timestamp::from_millis))
}

/// Text.
pub fn text<'a>(document: &'a Document, name: &str) -> Result<&'a str> {
    document.get_str(name).map_err(|_| damaged(name))
}

/// Text that may be missing.
pub fn optional_text(document: &Document, name: &str) -> Result<Option<String>> {
    match document.get(name) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(damaged(name)),
    }
}

/// Yes or no.
pub fn flag(document: &Document, name: &str) -> Result<bool> {
    document.get_bool(name).map_err(|_| damaged(name))
}

/// Exactly `N` bytes.
pub fn bytes<const N: usize>(document: &Document, name: &str) -> Result<[u8; N]> {
    let bytes = document.get_binary_generic(name).map_err(|_| damaged(name))?;
    bytes.as_slice().try_into().map_err(|_| damaged(name))
}

/// A fingerprint.
pub fn fingerprint(document: &Document, name: &str) -> Result<Fingerprint> {
    bytes(document, name).map(Fingerprint)
}

/// A currency.
pub fn currency(document: &Document, name: &str) -> Result<Currency> {
    text(document, name)?.parse().map_err(|_| damaged(name))
}

/// Text that holds JSON.
pub fn json<T: serde::de::DeserializeOwned>(document: &Document, name: &str) -> Result<T> {
    serde_json::from_str(text(document, name)?).map_err(Error::internal)
}
