//! Idempotency keys: 1 to 255 visible ASCII characters, bare or in quotes, place an order, and
//! place it once; nothing else places any.

#![no_main]

use axum::http::{HeaderName, HeaderValue, Method};
use holdfast_fuzz::stage;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    let Ok(key) = HeaderValue::from_bytes(data) else { return };
    let stage = stage();
    let body = json!({"items": [{"productId": stage.ids[1], "quantity": 1}]}).to_string();
    let headers = [(HeaderName::from_static("idempotency-key"), key)];
    let place = || stage.call_with(Method::POST, "/api/orders", &headers, body.clone());
    let first = place();
    let quoted = data.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""));
    let key = quoted.unwrap_or(data);
    let is_whole = quoted.is_some() || !(data.starts_with(b"\"") || data.ends_with(b"\""));
    let is_key = is_whole && (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match first.status {
        201 => assert!(is_key, "{first:?}"),
        // The stock is finite.
        409 => assert!(is_key, "{first:?}"),
        status => assert!(!is_key && status == 400, "{first:?}"),
    }
    if first.status == 201 {
        assert_eq!(place().body, first.body, "a repeat was answered differently");
    }
});
