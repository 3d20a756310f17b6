//! Reading JSON bodies: a clear error that names the place, in two kinds. What cannot be read at all is 400;
//! what reads but does not fit is 422.

use holdfast_types::{Code, Error, FieldError, Result};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::objects::Objects;

/// From 2^53 on, a floating-point number stands for several whole ones.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads a body. The quick path knows nothing about places; only a body that fails is read again to find it.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    quickly(body).or_else(|_| from_json(parse_value(body)?))
}

fn quickly<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = T::deserialize(Objects(&mut json))?;
    json.end().map(|()| value)
}

/// Reads a body as any JSON value: refuses only what is malformed, a member that comes twice included.
pub fn parse_value(body: &[u8]) -> Result<Value> {
    serde_json::from_slice::<Strict>(body).map(|strict| strict.0).map_err(|error| {
        let what = if body.is_empty() {
            "the body is empty: a JSON object is expected".into()
        } else {
            error.to_string()
        };
        Error::new(Code::Malformed, what)
    })
}

/// Fits a JSON value into `T`: `unknown-field` or `validation` with the place.
pub fn from_json<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(Objects(value))
        .map_err(|error| misfit(error.path(), &in_words_of_json(&error.inner().to_string())))
}

/// serde's message, without the names that only our code knows.
fn in_words_of_json(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let found = match found {
        "invalid type: map" => "invalid type: object",
        "invalid type: sequence" => "invalid type: array",
        other => other,
    };
    let expected = match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "an integer",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        name if name.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{}, expected {expected}", found.replace(": floating point `", ": number `"))
}

fn misfit(path: &Path, message: &str) -> Error {
    let mut pointer = String::from("#");
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if let Some(name) = quoted(message, "unknown field `") {
        if !pointer.ends_with(&format!("/{}", escape(name))) {
            pointer.push_str(&format!("/{}", escape(name)));
        }
        let field =
            FieldError { pointer, code: "unknown-field".into(), detail: message.to_owned() };
        return Error::new(Code::UnknownField, message.to_owned()).with_fields(vec![field]);
    }
    let code = match quoted(message, "missing field `") {
        Some(name) => {
            pointer.push_str(&format!("/{}", escape(name)));
            "missing"
        }
        None if message.starts_with("invalid type") => "wrong-type",
        None => "invalid",
    };
    let text = format!("{pointer}: {message}");
    Error::new(Code::Validation, text).with_fields(vec![FieldError {
        pointer,
        code: code.into(),
        detail: message.to_owned(),
    }])
}

fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}

/// For members of a merge patch (RFC 7396) that `null` clears: tells `null` from an absent member.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// For members of a merge patch that cannot be cleared.
pub fn not_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// RFC 6901 §3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A JSON value in which no object has a member twice; `Value` alone would keep the last and forget the rest
/// (RFC 8259 §4 leaves it open, so two readers could understand the body differently).
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    /// A whole number is an integer however it is written (JSON Schema, core §4.2.2), as far as its notation is exact.
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        let exact = value.trunc() == value && value.abs() < EXACT;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        Ok(if exact { (value as i64).into() } else { value.into() })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = members.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if values.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member `{name}` comes twice")));
            }
            values.insert(name, value);
        }
        Ok(values.into())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Basket {
        #[expect(dead_code, reason = "only the reading matters")]
        items: Vec<Item>,
        #[expect(dead_code, reason = "only the reading matters")]
        notes: Option<std::collections::BTreeMap<String, String>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        #[expect(dead_code, reason = "only the reading matters")]
        quantity: i64,
    }

    #[test]
    fn the_place_is_named() {
        let cases: [(&str, Code, &str); 12] = [
            (r#"{"items":[{"quantity":"1"}]}"#, Code::Validation, "#/items/0/quantity"),
            (r#"{"items":[{}]}"#, Code::Validation, "#/items/0/quantity"),
            (r#"{"items":[{"quantity":1,"x/y":2}]}"#, Code::UnknownField, "#/items/0/x~1y"),
            (r#"{"items":[],"colour":1}"#, Code::UnknownField, "#/colour"),
            (r#"{"items":[{"quantity":1.5}]}"#, Code::Validation, "#/items/0/quantity"),
            (r"{}", Code::Validation, "#/items"),
            (r"[]x", Code::Malformed, ""),
            (r#"{"items":[],"items":[]}"#, Code::Malformed, ""),
            (r"[[]]", Code::Validation, "#"),
            (r#"{"items":[[1]]}"#, Code::Validation, "#/items/0"),
            (r#"{"items":[],"notes":{"a":"1","a":"2"}}"#, Code::Malformed, ""),
            (r#"{"items":[],"notes":[["a","1"]]}"#, Code::Validation, "#/notes"),
        ];
        for (body, code, pointer) in cases {
            let error = parse::<Basket>(body.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{body}: {error:?}");
            let found = error.fields().first().map_or("", |field| field.pointer.as_str());
            assert_eq!(found, pointer, "{body}");
        }
    }

    #[test]
    fn whole_numbers_are_integers() {
        let read = |text: &str| parse::<i64>(text.as_bytes()).ok();
        assert_eq!(["7", "7.0", "-2.0", "-0.0", "1.2e3"].map(read), [7, 7, -2, 0, 1200].map(Some));
        assert_eq!(["7.5", "9007199254740992.0", "1e300", "\"7\""].map(read), [None; 4]);
    }

    #[test]
    fn what_is_expected_is_said_in_words_of_json() {
        let cases = [
            (r#"{"items":{}}"#, "#/items: invalid type: object, expected an array"),
            (r#"{"items":[7]}"#, "#/items/0: invalid type: integer `7`, expected an object"),
            (
                r#"{"items":[{"quantity":1.5}]}"#,
                "#/items/0/quantity: invalid type: number `1.5`, expected an integer",
            ),
        ];
        for (body, message) in cases {
            let error = parse::<Basket>(body.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
