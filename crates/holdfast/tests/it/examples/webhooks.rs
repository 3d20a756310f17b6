//! Webhooks, and what becomes of deliveries.

use super::*;

pub(super) async fn record(recorder: &mut Recorder, endpoint: &Endpoint) {
    let new = json!({"url": "https://example.com/hooks", "types": ["order.*"], "description": "The warehouse"});
    let said = recorder.take(("create_webhook", "admin", "POST", "/api/webhooks", new)).await;
    recorder.know("webhook", &said, "id");
    let from = json!({"from": "2026-11-01T00:00:00Z", "types": ["order.placed"]});
    let overlap = json!({"overlapSeconds": 3600});
    let change = json!({"version": 2, "types": ["order.*", "product.sold_out"]});
    let steps: [Step; 6] = [
        ("list_webhooks", "admin", "GET", "/api/webhooks", Value::Null),
        ("rotate_webhook_secret", "admin", "POST", "/api/webhooks/{webhook}/rotate", overlap),
        ("update_webhook", "admin", "PATCH", "/api/webhooks/{webhook}", change),
        ("get_webhook", "admin", "GET", "/api/webhooks/{webhook}", Value::Null),
        // After what shows the webhook: from here on it has deliveries, and they fail.
        ("replay_webhook", "admin", "POST", "/api/webhooks/{webhook}/replay", from),
        ("delete_webhook", "admin", "DELETE", "/api/webhooks/{webhook}", Value::Null),
    ];
    for step in steps {
        recorder.take(step).await;
    }
    let admin = recorder.clients.get_mut("admin").unwrap();
    let busy = admin.webhook(&endpoint.url(), &["order.*"], false).await;
    recorder.know("webhook", &busy, "id");
    let path = "/api/webhooks/{webhook}/test";
    let said = recorder.take(("test_webhook", "admin", "POST", path, Value::Null)).await;
    recorder.know("delivery", &said, "id");
    let admin = recorder.clients.get_mut("admin").unwrap();
    crate::webhooks::tried(admin, &busy).await;
    let path = "/api/webhooks/{webhook}/deliveries";
    recorder.take(("list_deliveries", "admin", "GET", path, Value::Null)).await;
    let path = "/api/webhooks/{webhook}/deliveries/{delivery}";
    recorder.take(("get_delivery", "admin", "GET", path, Value::Null)).await;
    let path = "/api/webhooks/{webhook}/deliveries/{delivery}/retry";
    recorder.take(("retry_delivery", "admin", "POST", path, Value::Null)).await;
}
