//! Portable dumps: a file that was changed is refused with its line, or its shop is audited; nothing falls over.

#![no_main]

use std::{fs, io::Write, path::Path, sync::OnceLock};

use axum::http::Method;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use holdfast::fuzzing::{PASSWORD, Shop, export, restore};
use holdfast_fuzz::{edited, folder, request};
use holdfast_types::Code;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// The lines of a small shop.
fn original() -> &'static [u8] {
    static LINES: OnceLock<Vec<u8>> = OnceLock::new();
    LINES.get_or_init(|| {
        let folder = folder();
        let home = folder.path().join("shop");
        fs::create_dir(&home).expect("there is room");
        fill(&home);
        let file = folder.path().join("dump");
        export(&home, &file).expect("a shop can be exported");
        let zipped = fs::read(&file).expect("the export is there");
        let mut lines = Vec::new();
        std::io::copy(&mut GzDecoder::new(&*zipped), &mut lines).expect("it is gzip");
        lines
    })
}

fn fill(home: &Path) {
    let shop = Shop::open(home).expect("an empty folder can hold a shop");
    let mut token = String::new();
    let mut post = |path: &str, body: Value| {
        let mut request = request(Method::POST, path, body.to_string());
        if !token.is_empty() {
            let value = format!("Bearer {token}").try_into().expect("a header value");
            request.headers_mut().insert("authorization", value);
        }
        let reply = shop.call(request);
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
        let made: Value = serde_json::from_slice(&reply.body).expect("a JSON document");
        if let Some(given) = made["accessToken"].as_str() {
            given.clone_into(&mut token);
        }
        made
    };
    post("/api/users/login", json!({"username": "admin", "password": PASSWORD}));
    let product = post(
        "/api/products",
        json!({"sku": "TEA", "name": "tea", "price": {"amount": 100, "currency": "EUR"}, "quantity": 9}),
    );
    let line = json!({"productId": product["id"], "quantity": 2});
    let order = post("/api/orders", json!({"items": [line]}));
    post("/api/orders", json!({"items": [line]}));
    let id = order["id"].as_str().expect("orders have ids");
    post(&format!("/api/orders/{id}/cancel"), json!({}));
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let zipped = match choice % 3 {
        0 => rest.to_vec(),
        1 => zip(rest),
        _ => zip(&edited(original(), rest)),
    };
    let folder = folder();
    let file = folder.path().join("dump");
    fs::write(&file, zipped).expect("there is room");
    if let Err(error) = restore(&folder.path().join("shop"), &file) {
        assert!(error.code() != Code::Internal, "{:?}", error.cause());
    }
});

fn zip(lines: &[u8]) -> Vec<u8> {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(lines).expect("memory takes everything");
    zipped.finish().expect("memory takes everything")
}
