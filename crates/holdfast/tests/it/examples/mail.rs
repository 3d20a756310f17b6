//! Letters, and what is done with those that have come.

use holdfast_testkit::smtp::{Received, SmtpDouble};

use super::*;
use crate::shop::wait_for;

/// How long a letter may be on its way.
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// What ends that link in the letter with these words: letters come in any order.
async fn token(server: &SmtpDouble, link: &str, words: &str) -> Value {
    let token = |letter: &Received| {
        let token = letter.after(&format!("#/{link}/"));
        token.filter(|_| letter.text().contains(words))
    };
    let token = wait_for(SOON, link, async || server.taken().iter().find_map(token)).await;
    json!({ "token": token })
}

pub(super) async fn record(recorder: &mut Recorder, server: &SmtpDouble) {
    let forgotten = json!({"email": "ada@example.com"});
    let path = "/api/users/password-reset/request";
    recorder.take(("request_password_reset", "anybody", "POST", path, forgotten)).await;
    let path = "/api/users/me/email-verification";
    recorder.take(("request_email_verification", "ada", "POST", path, Value::Null)).await;
    let (path, body) = ("/api/users/email-verification", token(server, "verify", "").await);
    recorder.take(("verify_email", "anybody", "POST", path, body)).await;
    recorder.take(("get_mail_server", "admin", "GET", "/api/letters/server", Value::Null)).await;

    let admin = recorder.clients.get_mut("admin").unwrap();
    let cup = admin.product("A cup with a letter", 5).await;
    let items = json!([{"productId": cup["id"], "quantity": 1}]);
    let order = json!({"items": items, "email": "ada@example.com"});
    let order = admin.post("/api/orders", &order).await.expect(201).unwrap();
    recorder.know("told", &order, "id");
    let path = recorder.fill("/api/letters?orderId={told}&status=sent");
    let admin = recorder.clients.get_mut("admin").unwrap();
    let letter = wait_for(SOON, "it is sent", async || {
        let sent = admin.get(&path).await.expect(200).unwrap();
        sent["items"].as_array()?.first().cloned()
    });
    let letter = letter.await;
    recorder.know("letter", &letter, "id");
    let path = "/api/letters?orderId={told}";
    recorder.take(("list_letters", "admin", "GET", path, Value::Null)).await;
    let path = "/api/letters/{letter}/retry";
    recorder.take(("retry_letter", "admin", "POST", path, Value::Null)).await;
    let body = token(server, "status", order["number"].as_str().unwrap()).await;
    recorder.take(("show_order_status", "anybody", "POST", "/api/orders/status", body)).await;
}
