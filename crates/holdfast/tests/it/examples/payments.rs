//! What is done with payments.

use super::*;

pub(super) async fn record(recorder: &mut Recorder) {
    let provider = "/api/payments/provider";
    recorder.take(("get_payment_provider", "anybody", "GET", provider, Value::Null)).await;
    let order = unpaid_order(recorder).await;
    recorder.know("unpaid", &order, "id");
    recorder.know("unpaid-product", &order["items"][0], "productId");
    let new = json!({"orderId": "{unpaid}", "capture": "manual"});
    let said = recorder.take(("create_payment", "admin", "POST", "/api/payments", new)).await;
    recorder.know("payment", &said, "id");
    let outcome = json!({"outcome": "succeed"});
    let item = json!({"productId": "{unpaid-product}", "quantity": 1, "restock": true});
    let refund = json!({"items": [item], "amount": 500, "reason": "Changed their mind."});
    let steps: [Step; 6] = [
        ("test_payment", "admin", "POST", "/api/payments/{payment}/test", outcome),
        ("sync_payment", "admin", "POST", "/api/payments/{payment}/sync", Value::Null),
        ("capture_payment", "admin", "POST", "/api/payments/{payment}/capture", Value::Null),
        ("refund_payment", "admin", "POST", "/api/payments/{payment}/refunds", refund),
        ("get_payment", "admin", "GET", "/api/payments/{payment}", Value::Null),
        ("list_payments", "admin", "GET", "/api/payments?orderId={unpaid}", Value::Null),
    ];
    for step in steps {
        recorder.take(step).await;
    }
    let path = "/api/payments/statistics?from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z";
    recorder.take(("show_payment_statistics", "admin", "GET", path, Value::Null)).await;
    let new = json!({"orderId": unpaid_order(recorder).await["id"]});
    let admin = recorder.clients.get_mut("admin").unwrap();
    let payment = admin.post("/api/payments", &new).await.expect(201).unwrap();
    recorder.know("payment", &payment, "id");
    let cancel = ("cancel_payment", "admin", "POST", "/api/payments/{payment}/cancel", Value::Null);
    recorder.take(cancel).await;
}

async fn unpaid_order(recorder: &mut Recorder) -> Value {
    let admin = recorder.clients.get_mut("admin").unwrap();
    let cup = admin.product("A cup to be paid", 5).await;
    admin.order(&cup, 1).await.expect(201).unwrap()
}
