//! Addresses that are not the world's are not asked, however they are written.

use serde_json::json;

use super::{endpoint::Endpoint, path_of};
use crate::shop::{Shop, problem};

/// Names that stand for this machine here, however they are resolved.
fn own_names() -> Vec<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts.lines().filter(|line| line.starts_with("127.") || line.starts_with("::1"));
    let names = lines.flat_map(|line| line.split_whitespace().skip(1));
    names.filter(|name| *name != "localhost").map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_behind_the_shop_is_not_asked() {
    let behind = Endpoint::start().await;
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let port = behind.place.rsplit(':').next().unwrap();
    let mut refused: Vec<String> = [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:word@example.com/",
        "not a url",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fd00::1]/",
        "https://169.254.169.254/latest/",
        "https://10.0.0.1/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://%6c%6fcalhost/",
    ]
    .map(str::to_owned)
    .to_vec();
    refused.extend(["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}/")));
    refused.extend(own_names().iter().map(|name| format!("https://{name}:{port}/")));
    let webhook = admin.webhook("https://example.com/hooks", &["order.*"], false).await;
    for url in refused {
        let body = json!({"url": url, "types": ["*"]});
        let answer = admin.post("/api/webhooks", &body).await;
        assert_eq!(problem(&answer), (422, "validation".into()), "{url}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/url", "{url}");
        let change = admin.patch(&path_of(&webhook), &json!({"version": 1, "url": url})).await;
        assert_eq!(problem(&change), (422, "validation".into()), "{url}");
    }
    assert!(behind.heard().is_empty());
    let types = json!({"url": "https://example.com/", "types": ["order.*", "Order"]});
    let answer = admin.post("/api/webhooks", &types).await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "#/types/1");
    for types in [json!([]), json!(vec!["*"; 21])] {
        let body = json!({"url": "https://example.com/", "types": types});
        assert_eq!(problem(&admin.post("/api/webhooks", &body).await), (422, "validation".into()));
    }
}
