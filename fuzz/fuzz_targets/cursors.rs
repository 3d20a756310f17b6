//! Cursors: whatever a client makes of one, a list answers with a page or says that the cursor is none of its own.

#![no_main]

use std::sync::OnceLock;

use axum::http::Method;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_fuzz::stage;
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;

/// A list, and the number by which its cursors know it.
struct List {
    path: String,
    mark: String,
}

/// All lists.
fn lists() -> &'static [List] {
    static LISTS: OnceLock<Vec<List>> = OnceLock::new();
    LISTS.get_or_init(|| {
        let [_, product, _] = &stage().ids;
        let paths = [
            "/api/products?sort=createdAt".to_owned(),
            "/api/products?sort=name".to_owned(),
            "/api/products?sort=-price".to_owned(),
            "/api/products?q=tea".to_owned(),
            format!("/api/products/{product}/stock/movements?"),
            "/api/orders?".to_owned(),
            "/api/users?".to_owned(),
        ];
        paths.into_iter().map(List::of).collect()
    })
}

impl List {
    /// Takes the mark from a cursor that the list gives out.
    fn of(path: String) -> Self {
        let page = stage().call(Method::GET, &format!("{path}&limit=1"), "");
        let page: Value = serde_json::from_slice(&page.body).expect("a JSON document");
        let cursor = page["nextCursor"].as_str();
        let cursor = cursor.unwrap_or_else(|| panic!("{path} has only one page: {page}"));
        let inside = BASE64_URL_SAFE_NO_PAD.decode(cursor).expect("base64url");
        let inside: Value = serde_json::from_slice(&inside).expect("JSON inside");
        Self { path, mark: inside[0].to_string() }
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, form, rest @ ..] = data else { return };
    let lists = lists();
    let List { path, mark } = &lists[usize::from(*choice) % lists.len()];
    let cursor = match form % 3 {
        0 => rest.to_vec(),
        1 => BASE64_URL_SAFE_NO_PAD.encode(rest).into_bytes(),
        // As if the list had given it out.
        _ => {
            BASE64_URL_SAFE_NO_PAD.encode([b"[", mark.as_bytes(), b",", rest, b"]"].concat()).into()
        }
    };
    let target = format!("{path}&cursor={}", percent_encode(&cursor, NON_ALPHANUMERIC));
    let reply = stage().call(Method::GET, &target, "");
    assert!(matches!(reply.status, 200 | 400 | 414), "{target}: {reply:?}");
});
