//! Routes of the double itself, in JSON: what the buyer does, what banks do, and what goes wrong.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    account::Account,
    exchange::{Ask, Reply},
    faults::Faults,
    paying::Outcome,
    refunds::RefundStatus,
    refusal::Refusal,
    service::Service,
    webhooks::Webhook,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    status: RefundStatus,
}

/// Without an address, events go nowhere.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Target {
    url: Option<String>,
    secret: String,
}

impl Service {
    /// `/double/…`.
    pub(super) fn control(&self, path: &str, ask: &Ask) -> Reply {
        let segments: Vec<&str> = path.split('/').collect();
        let method = if ask.is_post { "POST" } else { "GET" };
        let done = match (method, segments.as_slice()) {
            ("GET", ["books"]) => Ok(json!(self.account().books())),
            ("GET", ["faults"]) => Ok(json!(*self.chance.faults())),
            ("GET", ["undelivered"]) => Ok(json!({"undelivered": self.outbox.undelivered()})),
            ("POST", ["faults"]) => read::<Faults>(ask).map(|faults| {
                *self.chance.faults() = faults;
                json!({})
            }),
            ("POST", ["webhook"]) => read::<Target>(ask).map(|Target { url, secret }| {
                self.outbox.set_target(url.map(|url| Webhook { url, secret }));
                json!({})
            }),
            ("POST", ["forget-keys"]) => {
                self.account().keys.forget();
                Ok(json!({}))
            }
            ("POST", ["intents", id, "confirm"]) => {
                read::<Pay>(ask).and_then(|pay| self.act(|account| account.pay(id, pay.outcome)))
            }
            ("POST", ["intents", id, "lapse"]) => self.act(|account| account.lapse(id)),
            ("POST", ["refunds", id]) => read::<Settle>(ask)
                .and_then(|settle| self.act(|account| account.settle_refund(id, settle.status))),
            _ => Err(Reply::control_error(404, "The double has no such route.")),
        };
        done.map_or_else(|refused| refused, Reply::done)
    }

    /// Does something that no request of the shop asks for.
    pub(super) fn act(
        &self,
        action: impl FnOnce(&mut Account) -> Result<Value, Refusal>,
    ) -> Result<Value, Reply> {
        let mut account = self.account();
        let done = action(&mut account).map_err(Reply::from);
        self.send_events(&mut account, &json!({"id": null, "idempotency_key": null}));
        done
    }
}

fn read<T: DeserializeOwned>(ask: &Ask) -> Result<T, Reply> {
    serde_json::from_slice(&ask.body).map_err(|error| Reply::control_error(400, &error.to_string()))
}
