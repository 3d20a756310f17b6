//! What happens between a request and its reply: fate, the secret key, the idempotency key, the work, its events.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use holdfast_types::{Clock, Random};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    account::Account,
    exchange::{Ask, Reply},
    faults::{Chance, Fate},
    keys::Wanted,
    params::Params,
    refunds::RefundStatus,
    refusal::Refusal,
    webhooks::Outbox,
};

/// The version of the API that the double speaks, whatever is pinned.
pub(super) const API_VERSION: &str = "2026-10-28.endive";

/// Everything that the double is, but the listener.
#[derive(Debug)]
pub(super) struct Service {
    key: Option<String>,
    account: Mutex<Account>,
    pub(super) chance: Arc<Chance>,
    pub(super) outbox: Arc<Outbox>,
}

impl Service {
    /// A service with an empty account. `key` is the secret key that it wants, if any.
    pub(super) fn new(
        key: Option<String>,
        (clock, random): (Clock, Random),
        chance: Arc<Chance>,
        outbox: Arc<Outbox>,
    ) -> Self {
        Self { key, account: Mutex::new(Account::new(clock, random)), chance, outbox }
    }

    /// The account, which nobody else sees meanwhile.
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replies; `None` closes the connection.
    pub(super) async fn reply(&self, ask: &Ask) -> Option<Reply> {
        if let Some(path) = ask.path.strip_prefix("/double/") {
            return Some(self.control(path, ask));
        }
        let request_id = self.account().id("req");
        let fate = self.chance.fate(ask.is_post);
        let mut reply = match fate {
            Fate::RequestLost => return None,
            Fate::RateLimited => Reply::rate_limited(),
            Fate::Unavailable => Reply::unavailable(),
            _ => match self.authorise(ask) {
                Err(refusal) => refusal.into(),
                Ok(()) => self.once(ask, &request_id, fate).await,
            },
        };
        if !reply.is_replay {
            reply.request_id = request_id;
        }
        (fate != Fate::AnswerLost).then_some(reply)
    }

    fn authorise(&self, ask: &Ask) -> Result<(), Refusal> {
        let Some(wanted) = &self.key else { return Ok(()) };
        let given = ask.authorization.as_deref().and_then(secret_key);
        let Some(given) = given else {
            let message = "You did not provide an API key. You need to provide your API key in the Authorization \
                           header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See \
                           https://stripe.com/docs/api#authentication for details.";
            return Err(Refusal::new(401, "invalid_request_error", message));
        };
        if given == *wanted {
            return Ok(());
        }
        let shown: String = given.chars().take(8).collect();
        let message = format!("Invalid API Key provided: {shown}****");
        Err(Refusal::new(401, "invalid_request_error", message))
    }

    /// Works at most once for an idempotency key; those are for posts.
    async fn once(&self, ask: &Ask, request_id: &str, fate: Fate) -> Reply {
        let key = ask.idempotency_key.as_deref().filter(|_| ask.is_post);
        if let Some(key) = key {
            let wanted = Wanted::new(&ask.path, &ask.params);
            let claimed = self.account().keys.claim(key, &wanted);
            match claimed {
                Ok(Some(stored)) => return stored,
                Ok(None) => {}
                Err(refusal) => return refusal.into(),
            }
        }
        sleep(Duration::from_millis(self.chance.latency_ms())).await;
        let starts_pending = self.chance.hits(|faults| faults.refund_pending);
        let starts_as =
            if starts_pending { RefundStatus::Pending } else { RefundStatus::Succeeded };
        let mut account = self.account();
        let mut reply = Reply::from(route(&mut account, ask, starts_as));
        if fate == Fate::ErrorAfterEffect && reply.has_begun {
            reply = Reply::unknown_error();
        }
        request_id.clone_into(&mut reply.request_id);
        if let Some(key) = key {
            account.keys.settle(key, &reply);
        }
        self.send_events(&mut account, &json!({"id": request_id, "idempotency_key": key}));
        reply
    }

    /// Hands on what the account has told, in its order.
    pub(super) fn send_events(&self, account: &mut Account, request: &Value) {
        for event in std::mem::take(&mut account.events) {
            let body = json!({
                "id": account.id("evt"),
                "object": "event",
                "api_version": API_VERSION,
                "created": account.now(),
                "data": {"object": event.object},
                "livemode": false,
                "pending_webhooks": 1,
                "request": request,
                "type": event.kind,
            });
            self.outbox.put(body.to_string().as_bytes());
        }
    }
}

/// The routes of the API.
fn route(
    account: &mut Account,
    ask: &Ask,
    refund_starts_as: RefundStatus,
) -> Result<Value, Refusal> {
    let Ask { is_post, path, params, .. } = ask;
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let method = if *is_post { "POST" } else { "GET" };
    let value = match (method, segments.as_slice()) {
        ("POST", ["v1", "payment_intents"]) => account.create_intent(params),
        ("GET", ["v1", "payment_intents"]) => account.list_intents(params),
        ("GET", ["v1", "payment_intents", id]) => {
            params.allow(&["client_secret"]).and_then(|()| account.get_intent(id))
        }
        ("POST", ["v1", "payment_intents", id]) => account.update_intent(id, params),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => account.confirm_intent(id, params),
        ("POST", ["v1", "payment_intents", id, "capture"]) => account.capture_intent(id, params),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => account.cancel_intent(id, params),
        ("POST", ["v1", "refunds"]) => account.create_refund(params, refund_starts_as),
        ("GET", ["v1", "refunds"]) => account.list_refunds(params),
        ("GET", ["v1", "refunds", id]) => only_expand(params, account.get_refund(id)),
        ("POST", ["v1", "refunds", id]) => account.update_refund(id, params),
        ("GET", ["v1", "charges", id]) => only_expand(params, account.get_charge(id)),
        _ => {
            let message = format!(
                "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at \
                 https://support.stripe.com/."
            );
            Err(Refusal::new(404, "invalid_request_error", message))
        }
    }?;
    Ok(account.expand(value, params))
}

fn only_expand(params: &Params, found: Result<Value, Refusal>) -> Result<Value, Refusal> {
    params.allow(&[]).and(found)
}

/// The secret key, as a bearer's token or as the name of a user without a password.
fn secret_key(authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    is_basic.then(|| decoded.split(':').next().unwrap_or_default().to_owned())
}
