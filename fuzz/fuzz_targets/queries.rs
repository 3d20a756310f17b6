//! Queries of every list: a page, or a refusal that says which parameter.

#![no_main]

use axum::http::Method;
use holdfast_fuzz::stage;
use libfuzzer_sys::fuzz_target;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// What cannot stand in a target at all.
const NEVER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'#').add(b'`');

fuzz_target!(|data: &[u8]| {
    let Some((choice, query)) = data.split_first() else { return };
    let stage = stage();
    let [_, product, order] = &stage.ids;
    let lists = [
        "/api/products".to_owned(),
        "/api/orders".to_owned(),
        "/api/users".to_owned(),
        "/api/products/categories".to_owned(),
        format!("/api/products/{product}/stock/movements"),
        format!("/api/orders/{order}/events"),
        format!("/api/products/{product}"),
    ];
    let list = &lists[usize::from(*choice) % lists.len()];
    let path = format!("{list}?{}", percent_encode(query, NEVER));
    let reply = stage.call(Method::GET, &path, "");
    assert!(matches!(reply.status, 200 | 400 | 414), "{path}: {reply:?}");
});
