//! Access tokens: only the one that the shop gave out opens it, whatever stands in the header.

#![no_main]

use axum::http::{HeaderValue, Method, header};
use holdfast_fuzz::{edited, stage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let stage = stage();
    let value = match choice % 3 {
        0 => rest.to_vec(),
        1 => [b"Bearer ", rest].concat(),
        _ => [b"Bearer ", &*edited(stage.token.as_bytes(), rest)].concat(),
    };
    let Ok(header) = HeaderValue::from_bytes(&value) else { return };
    let headers = [(header::AUTHORIZATION, header)];
    let reply = stage.call_with(Method::GET, "/api/users/me", &headers, "");
    let token = value.get(7..).unwrap_or_default().trim_ascii();
    let is_ours = token == stage.token.as_bytes();
    assert_eq!(reply.status, if is_ours { 200 } else { 401 }, "{reply:?}");
});
