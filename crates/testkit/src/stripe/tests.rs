//! The rules of the double, without the wire; the official clients judge the wire in `tests/stripe`.

use std::sync::Arc;

use holdfast_types::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{exchange::Ask, *};

const START_MS: i64 = 1_800_000_000_000;

async fn double() -> StripeDouble {
    let clock = Clock::manual(Timestamp::from_millis(START_MS));
    StripeDouble::start(Options { clock, ..Options::default() }).await.unwrap()
}

fn ask(path: &str, form: &str, key: Option<&str>) -> Ask {
    Ask {
        is_post: true,
        path: path.to_owned(),
        params: params::Params::parse(form.as_bytes()),
        idempotency_key: key.map(str::to_owned),
        ..Ask::default()
    }
}

async fn reply(double: &StripeDouble, path: &str, form: &str, key: &str) -> Reply {
    double.service.reply(&ask(path, form, Some(key))).await.unwrap()
}

async fn post(double: &StripeDouble, path: &str, form: &str) -> (u16, Value) {
    let reply = double.service.reply(&ask(path, form, None)).await.unwrap();
    (reply.status, reply.body)
}

async fn get(double: &StripeDouble, path: &str, query: &str) -> Value {
    let ask = Ask { is_post: false, ..ask(path, query, None) };
    double.service.reply(&ask).await.unwrap().body
}

/// The id of an intent over 1000 that is paid, or reserved if `capture` is manual.
async fn paid(double: &StripeDouble, capture: &str) -> String {
    let form = format!(
        "amount=1000&currency=eur&capture_method={capture}&confirm=true&payment_method=pm_card_visa&\
         payment_method_types[]=card"
    );
    let (status, intent) = post(double, "/v1/payment_intents", &form).await;
    assert_eq!(status, 200, "{intent}");
    intent["id"].as_str().unwrap().to_owned()
}

async fn refund(double: &StripeDouble, intent: &str, amount: i64) -> (u16, Value) {
    let form = format!("payment_intent={intent}&amount={amount}");
    post(double, "/v1/refunds", &form).await
}

fn assert_refused((status, body): &(u16, Value), expected: u16, code: &str) {
    assert_eq!((*status, body["error"]["code"].as_str()), (expected, Some(code)), "{body}");
}

#[tokio::test]
async fn a_key_has_one_answer() {
    let double = double().await;
    let intent = paid(&double, "automatic").await;
    let form = format!("payment_intent={intent}&amount=400");
    let first = reply(&double, "/v1/refunds", &form, "k").await;
    let second = reply(&double, "/v1/refunds", &form, "k").await;
    assert!(!first.is_replay && second.is_replay);
    assert_eq!((&first.body, &first.request_id), (&second.body, &second.request_id));
    let reordered = format!("amount=400&payment_intent={intent}");
    assert!(reply(&double, "/v1/refunds", &reordered, "k").await.is_replay);
    assert_eq!(double.books().refunds.len(), 1);

    let other = format!("payment_intent={intent}&amount=401");
    let other = reply(&double, "/v1/refunds", &other, "k").await;
    assert_eq!((other.status, &other.body["error"]["type"]), (400, &"idempotency_error".into()));
    let elsewhere = reply(&double, "/v1/payment_intents", &form, "k").await;
    assert_eq!(elsewhere.body["error"]["type"], "idempotency_error");

    double.forget_keys();
    assert!(!reply(&double, "/v1/refunds", &form, "k").await.is_replay);
    assert_eq!(double.books().refunds.len(), 2);
}

#[tokio::test]
async fn what_had_not_begun_is_not_stored_and_what_had_is() {
    let double = double().await;
    let bad = reply(&double, "/v1/payment_intents", "amount=0&currency=eur", "a").await;
    assert_eq!(bad.status, 400);
    let good = reply(&double, "/v1/payment_intents", "amount=1&currency=eur", "a").await;
    assert_eq!((good.status, good.is_replay), (200, false));

    let intent = good.body["id"].as_str().unwrap();
    let refund = format!("payment_intent={intent}");
    assert_eq!(reply(&double, "/v1/refunds", &refund, "b").await.status, 400);
    double.pay(intent, Outcome::Succeed).unwrap();
    let again = reply(&double, "/v1/refunds", &refund, "b").await;
    assert_eq!((again.status, again.is_replay), (400, true), "an error of the work itself");
}

#[tokio::test]
async fn an_answer_that_was_lost_or_500_is_found_by_its_key() {
    let double = double().await;
    let intent = paid(&double, "automatic").await;
    let form = format!("payment_intent={intent}&amount=100");
    for (fate, status) in [(Fate::AnswerLost, 200), (Fate::ErrorAfterEffect, 500)] {
        let key = format!("{fate:?}");
        double.next([fate]);
        let _ = double.service.reply(&ask("/v1/refunds", &form, Some(&key))).await;
        let again = reply(&double, "/v1/refunds", &form, &key).await;
        assert_eq!((again.status, again.is_replay), (status, true), "{fate:?}");
    }
    assert_eq!(double.books().refunds.len(), 2, "each had effect once");

    for fate in [Fate::RequestLost, Fate::RateLimited, Fate::Unavailable] {
        double.next([fate]);
        let _ = double.service.reply(&ask("/v1/refunds", &form, Some("later"))).await;
    }
    assert_eq!(double.books().refunds.len(), 2, "none had effect");
    assert!(!reply(&double, "/v1/refunds", &form, "later").await.is_replay);
}

#[tokio::test]
async fn a_key_in_use_is_refused() {
    let double = double().await;
    let slow = Faults { latency_ms: 300, ..Faults::default() };
    double.set_faults(slow);
    let service = Arc::clone(&double.service);
    let wanted = ask("/v1/payment_intents", "amount=1&currency=eur", Some("k"));
    let first = tokio::spawn({
        let wanted = wanted.clone();
        async move { service.reply(&wanted).await }
    });
    let second = loop {
        let second = ask("/v1/payment_intents", "amount=1&currency=usd", Some("k"));
        // The probe asks for something else until the key is taken, so that it never takes it itself.
        let claimed = double.service.account().keys.is_running("k");
        if claimed {
            let mismatch = double.service.reply(&second).await.unwrap();
            assert_eq!(mismatch.status, 400);
            break double.service.reply(&wanted).await.unwrap();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((second.status, second.should_retry), (409, Some(true)));
    assert_eq!(second.body["error"]["code"], "idempotency_key_in_use");
    double.forget_keys();
    assert_eq!(first.await.unwrap().unwrap().status, 200);
    assert!(double.service.reply(&wanted).await.unwrap().is_replay);
}

#[tokio::test]
async fn never_more_is_given_back_than_was_taken() {
    let double = double().await;
    let intent = paid(&double, "automatic").await;
    let (_, too_much) = refund(&double, &intent, 1001).await;
    let message = "Refund amount (€10.01) is greater than charge amount (€10.00)";
    assert_eq!(too_much["error"]["message"], message);
    assert_eq!(refund(&double, &intent, 700).await.0, 200);
    let (_, too_much) = refund(&double, &intent, 301).await;
    let message = "Refund amount (€3.01) is greater than unrefunded amount on charge (€3.00)";
    assert_eq!(too_much["error"]["message"], message);
    let (_, last) = refund(&double, &intent, 300).await;
    assert_refused(&refund(&double, &intent, 1).await, 400, "charge_already_refunded");

    double.settle_refund(last["id"].as_str().unwrap(), RefundStatus::Failed).unwrap();
    assert_eq!(refund(&double, &intent, 300).await.0, 200, "what failed can be given back again");
    let booked = &double.books().intents[0];
    assert_eq!((booked.amount_received, booked.amount_refunded), (1000, 1000));
}

#[tokio::test]
async fn a_pending_refund_is_settled_once() {
    let double = double().await;
    let intent = paid(&double, "automatic").await;
    double.set_faults(Faults { refund_pending: 1.0, ..Faults::default() });
    let (_, pending) = refund(&double, &intent, 1000).await;
    assert_eq!(pending["status"], "pending");
    assert_refused(&refund(&double, &intent, 1).await, 400, "charge_already_refunded");
    assert_eq!(double.books().intents[0].amount_refund_pending, 1000);
    let id = pending["id"].as_str().unwrap();
    assert_eq!(double.settle_refund(id, RefundStatus::Succeeded).unwrap()["status"], "succeeded");
    assert!(double.settle_refund(id, RefundStatus::Canceled).is_err());
}

#[tokio::test]
async fn what_is_reserved_is_captured_once_cancelled_or_lapses() {
    let double = double().await;
    let path = |intent: &str, verb: &str| format!("/v1/payment_intents/{intent}/{verb}");
    let captured = paid(&double, "manual").await;
    assert_eq!(double.books().intents[0].status, "requires_capture");
    let (_, unpaid) = refund(&double, &captured, 1).await;
    assert!(unpaid["error"]["message"].as_str().unwrap().contains("successful charge"));
    let too_much = post(&double, &path(&captured, "capture"), "amount_to_capture=1001").await;
    assert_refused(&too_much, 400, "amount_too_large");
    let (_, intent) = post(&double, &path(&captured, "capture"), "amount_to_capture=600").await;
    assert_eq!(
        (&intent["amount_received"], &intent["amount_capturable"]),
        (&600.into(), &0.into())
    );
    assert_eq!(refund(&double, &captured, 601).await.0, 400, "no more than was captured");

    let lapsed = paid(&double, "manual").await;
    assert_eq!(double.lapse(&lapsed).unwrap()["cancellation_reason"], "automatic");
    let cancelled = paid(&double, "manual").await;
    assert_eq!(post(&double, &path(&cancelled, "cancel"), "").await.1["status"], "canceled");
    for (intent, verb) in [
        (&captured, "capture"),
        (&captured, "cancel"),
        (&captured, "confirm"),
        (&lapsed, "capture"),
        (&lapsed, "cancel"),
        (&cancelled, "capture"),
        (&cancelled, "confirm"),
    ] {
        let refused = post(&double, &path(intent, verb), "").await;
        assert_refused(&refused, 400, "payment_intent_unexpected_state");
        assert_eq!(refused.1["error"]["payment_intent"]["id"], **intent, "{verb}");
    }
}

#[tokio::test]
async fn a_buyer_authenticates_is_declined_and_pays() {
    let double = double().await;
    let (_, intent) = post(&double, "/v1/payment_intents", "amount=5&currency=EUR").await;
    assert_eq!(
        (&intent["status"], &intent["currency"]),
        (&"requires_payment_method".into(), &"eur".into())
    );
    let id = intent["id"].as_str().unwrap();
    assert_eq!(
        double.pay(id, Outcome::RequireAction).unwrap()["next_action"]["type"],
        "use_stripe_sdk"
    );
    let declined = double.pay(id, Outcome::Decline).unwrap();
    assert_eq!(declined["status"], "requires_payment_method");
    assert_eq!(declined["last_payment_error"]["decline_code"], "generic_decline");
    assert_eq!(double.pay(id, Outcome::Processing).unwrap()["status"], "processing");
    let cancel = post(&double, &format!("/v1/payment_intents/{id}/cancel"), "").await;
    assert_refused(&cancel, 400, "payment_intent_unexpected_state");
    assert_eq!(double.pay(id, Outcome::Succeed).unwrap()["amount_received"], 5);
    assert!(double.pay(id, Outcome::Succeed).is_err(), "money is taken once");
}

#[tokio::test]
async fn parameters_are_checked_as_stripe_does() {
    let double = double().await;
    for (form, code) in [
        ("currency=eur", "parameter_missing"),
        ("amount=1", "parameter_missing"),
        ("amount=x&currency=eur", "parameter_invalid_integer"),
        ("amount=0&currency=eur", "parameter_invalid_integer"),
        ("amount=100000000&currency=eur", "amount_too_large"),
        ("amount=1&currency=eur&colour=red", "parameter_unknown"),
        ("amount=1&currency=eur&confirm=true&payment_method=card", "resource_missing"),
    ] {
        assert_refused(&post(&double, "/v1/payment_intents", form).await, 400, code);
    }
    assert_refused(&post(&double, "/v1/payment_intents/pi_0", "").await, 404, "resource_missing");
    assert!(double.books().intents.is_empty());
}

#[tokio::test]
async fn lists_have_pages() {
    let double = double().await;
    let intent = paid(&double, "automatic").await;
    let _other = refund(&double, &paid(&double, "automatic").await, 1).await;
    for amount in 1..=5 {
        refund(&double, &intent, amount).await;
    }
    let mut seen = Vec::new();
    let mut query = format!("payment_intent={intent}&limit=2");
    loop {
        let page = get(&double, "/v1/refunds", &query).await;
        let data = page["data"].as_array().unwrap();
        seen.extend(data.iter().map(|refund| refund["amount"].as_i64().unwrap()));
        if page["has_more"] == false {
            break;
        }
        let last = data.last().unwrap()["id"].as_str().unwrap();
        query = format!("payment_intent={intent}&limit=2&starting_after={last}");
    }
    assert_eq!(seen, [5, 4, 3, 2, 1], "the newest first");
}

/// The numbers of `count` intents, as a shop hears of them while `faults` are on.
async fn heard(faults: Faults, count: i64) -> Vec<i64> {
    let shop = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hooks", shop.local_addr().unwrap());
    let double = double().await;
    double.set_faults(faults);
    double.set_webhook(Some(Webhook { url, secret: "whsec_tea".to_owned() }));
    for amount in 1..=count {
        post(&double, "/v1/payment_intents", &format!("amount={amount}&currency=eur")).await;
    }
    let mut amounts = Vec::new();
    while double.undelivered() > 0 {
        tokio::select! {
            Ok((stream, _)) = shop.accept() => amounts.push(take_event(stream).await),
            () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
        }
    }
    amounts
}

/// Reads an event, verifies it, and takes it.
async fn take_event(mut stream: TcpStream) -> i64 {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.unwrap().parse() == Ok(body.len()) {
            break (head, body);
        }
    };
    let signed = signature("whsec_tea", START_MS / 1000, body.as_bytes());
    assert!(head.contains(&format!("stripe-signature: {signed}")), "{head}");
    let event: Value = serde_json::from_str(body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    event["data"]["object"]["amount"].as_i64().unwrap()
}

#[tokio::test]
async fn events_come_in_order_once_unless_told_otherwise() {
    let all: Vec<i64> = (1..=40).collect();
    assert_eq!(heard(Faults::default(), 40).await, all);

    let twice = heard(Faults { webhook_duplicated: 0.5, ..Faults::default() }, 40).await;
    assert!(twice.is_sorted() && (45..75).contains(&twice.len()), "{twice:?}");

    let dropped = heard(Faults { webhook_dropped: 0.5, ..Faults::default() }, 40).await;
    assert!(dropped.is_sorted() && (5..35).contains(&dropped.len()), "{dropped:?}");

    let late = Faults { webhook_delayed: 0.5, webhook_delay_ms: 200, ..Faults::default() };
    let mut late = heard(late, 40).await;
    assert!(!late.is_sorted(), "{late:?}");
    late.sort_unstable();
    assert_eq!(late, all, "late, not lost");
}

#[tokio::test]
async fn an_answer_is_lost_on_the_wire_although_it_had_effect() {
    let double = double().await;
    double.next([Fate::RequestLost, Fate::AnswerLost, Fate::Answered]);
    let mut answers = Vec::new();
    for _ in 0..3 {
        let address = double.base_url().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "POST /v1/payment_intents HTTP/1.1\r\nhost: stripe\r\nconnection: close\r\n\
                       idempotency-key: k\r\ncontent-length: 21\r\n\r\namount=1&currency=eur";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answers.push((answer, double.books().intents.len()));
    }
    assert_eq!(answers[0], (String::new(), 0));
    assert_eq!(answers[1], (String::new(), 1));
    assert!(answers[2].0.starts_with("HTTP/1.1 200") && answers[2].1 == 1, "{answers:?}");
    assert!(answers[2].0.contains("idempotent-replayed: true"), "{answers:?}");
}
