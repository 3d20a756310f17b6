//! What the fuzz targets share: a shop in this process, and what every answer of it must keep to.

use std::{
    collections::BTreeSet,
    sync::{Mutex, OnceLock},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, Uri, header},
};
use holdfast::fuzzing::{PASSWORD, Reply, Shop};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A shop with two users, products and orders, and its administrator's token.
#[derive(Debug)]
pub struct Stage {
    /// The shop.
    pub shop: Shop,
    /// The administrator's access token.
    pub token: String,
    /// The id of a customer, of a product and of an order.
    pub ids: [String; 3],
    /// Codes of problems that have a page.
    explained: Mutex<BTreeSet<String>>,
    _folder: TempDir,
}

/// The stage of this process.
pub fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(Stage::set)
}

/// A folder in memory, where there is such a place: a fuzzer need not wait for a disk.
#[must_use]
pub fn folder() -> TempDir {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    made.expect("a folder can be made")
}

impl Stage {
    fn set() -> Self {
        let folder = folder();
        let shop = Shop::open(folder.path()).expect("an empty folder can hold a shop");
        let (token, ids, explained) = Default::default();
        let mut stage = Self { shop, token, ids, explained, _folder: folder };
        let admin = json!({"username": "admin", "password": PASSWORD});
        let session = stage.made("/api/users/login", &admin);
        stage.token = text(&session["accessToken"]);
        let customer = json!({"username": "customer", "password": PASSWORD});
        let customer = stage.made("/api/users/register", &customer);
        let product = |sku: &str| {
            let price = json!({"amount": 100, "currency": "EUR"});
            let new = json!({"sku": sku, "name": "tea", "category": "Tea", "price": price, "quantity": 1_000_000});
            text(&stage.made("/api/products", &new)["id"])
        };
        let products = ["TEA", "POT"].map(product);
        let order = || {
            let order = json!({"items": [{"productId": products[0], "quantity": 1}]});
            text(&stage.made("/api/orders", &order)["id"])
        };
        let orders = [order(), order()];
        let _ = stage.made(&format!("/api/orders/{}/cancel", orders[0]), &json!({}));
        let ([product, _], [order, _]) = (products, orders);
        stage.ids = [text(&customer["id"]), product, order];
        stage
    }

    /// What the shop answers to a `POST` that it must accept.
    fn made(&self, path: &str, body: &Value) -> Value {
        let reply = self.call(Method::POST, path, body.to_string());
        assert!(matches!(reply.status, 200 | 201), "{path}: {reply:?}");
        serde_json::from_slice(&reply.body).expect("a JSON document")
    }

    /// What the shop answers to the administrator.
    #[must_use]
    pub fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        self.call_with(method, path, &[], body)
    }

    /// The same, with headers.
    #[must_use]
    pub fn call_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = request(method, path, body);
        let token = format!("Bearer {}", self.token);
        let token = HeaderValue::try_from(token).expect("tokens are header values");
        request.headers_mut().insert(header::AUTHORIZATION, token);
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        self.judge(self.shop.call(request))
    }

    /// What another process of the shop is answered.
    #[must_use]
    pub fn call_as_peer(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.judge(self.shop.call_as_peer(request(Method::POST, path, body)))
    }

    /// `text` with the ids of what is there where `@0`, `@1` and `@2` stand.
    #[must_use]
    pub fn filled(&self, text: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((byte, after)) = rest.split_first() {
            match (byte, after) {
                (b'@', [number @ b'0'..=b'2', after @ ..]) => {
                    filled.extend_from_slice(self.ids[usize::from(number - b'0')].as_bytes());
                    rest = after;
                }
                _ => {
                    filled.push(*byte);
                    rest = after;
                }
            }
        }
        filled
    }

    /// Holds an answer to what is true of all of them.
    fn judge(&self, reply: Reply) -> Reply {
        assert!(reply.status < 500, "{reply:?}");
        if reply.status < 400 {
            return reply;
        }
        let media = reply.headers.get(header::CONTENT_TYPE);
        assert_eq!(media.map(HeaderValue::as_bytes), Some(&b"application/problem+json"[..]));
        let problem: Value = serde_json::from_slice(&reply.body).expect("problems are JSON");
        let code = problem["code"].as_str().unwrap_or_default();
        assert!(self.explains(code), "not in /problems: {reply:?}");
        assert_eq!(problem["status"], reply.status, "{reply:?}");
        assert!(problem["detail"].is_string(), "{reply:?}");
        reply
    }
}

impl Stage {
    /// Whether the shop has a page about a problem.
    fn explains(&self, code: &str) -> bool {
        let mut explained = self.explained.lock().expect("nobody panics here");
        if explained.contains(code) {
            return true;
        }
        let page = self.shop.call(request(Method::GET, &format!("/problems/{code}"), ""));
        page.status == 200 && explained.insert(code.to_owned())
    }
}

/// A request with a JSON body.
///
/// # Panics
/// When `path` is no path.
pub fn request(method: Method, path: &str, body: impl Into<Body>) -> Request {
    let mut request = Request::new(body.into());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse::<Uri>().expect("a path");
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Applies edits to `original`: three bytes say where, and the next what stands there.
#[must_use]
pub fn edited(original: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut text = original.to_vec();
    for edit in edits.chunks_exact(4) {
        let place = usize::from(edit[0]) << 16 | usize::from(edit[1]) << 8 | usize::from(edit[2]);
        let place = place % text.len().max(1);
        match edit[3] {
            // A byte less, a line twice, the end.
            0 if !text.is_empty() => drop(text.remove(place)),
            1 => {
                let line = text[place..].split_inclusive(|byte| *byte == b'\n').next();
                let line = line.unwrap_or_default().to_vec();
                text.splice(place..place, line);
            }
            2 => text.truncate(place),
            byte => text[place] = byte,
        }
        // Twice as long again and again would be too long soon.
        if text.is_empty() || text.len() > 4 * original.len() {
            break;
        }
    }
    text
}
