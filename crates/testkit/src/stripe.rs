//! A double of the part of Stripe that takes a shop's money: PaymentIntents, refunds, webhooks and idempotency keys.
//!
//! It listens on this machine, speaks as Stripe's own clients expect, and fails on purpose: requests and answers get lost,
//! events come twice, late or never, authorisations lapse. What it has taken and given back is in its [`Books`]. Where Stripe
//! leaves a choice it takes the harder one: every error after the parameters are checked is stored for its idempotency key.

mod account;
mod books;
mod charges;
mod control;
mod exchange;
mod faults;
mod intents;
mod keys;
mod params;
mod paying;
mod refunds;
mod refusal;
mod server;
mod service;
#[cfg(test)]
mod tests;
mod webhooks;

use std::{io, net::Ipv4Addr, sync::Arc};

use holdfast_types::{Clock, Random};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

pub use books::{BookedIntent, BookedRefund, Books};
pub use faults::{Fate, Faults};
pub use paying::Outcome;
pub use refunds::RefundStatus;
pub use webhooks::{Webhook, signature};

use account::Account;
use exchange::Reply;
use faults::Chance;
use refusal::Refusal;
use service::Service;
use webhooks::Outbox;

/// How a double starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port; 0 takes any.
    pub port: u16,
    /// The secret key that requests must bear. Without one they need none.
    pub key: Option<String>,
    /// Where events go, if anywhere.
    pub webhook: Option<Webhook>,
    /// Decides chance and ids.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// What it reads the time from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            key: None,
            webhook: None,
            seed: 0,
            faults: Faults::default(),
            clock: Clock::system(),
        }
    }
}

/// Why the double does not do something: the error as its API shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The status of HTTP.
    pub status: u16,
    /// Stripe's code, where there is one.
    pub code: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl From<Reply> for Refused {
    fn from(reply: Reply) -> Self {
        let field = |name: &str| reply.body["error"][name].as_str().map(str::to_owned);
        Self {
            status: reply.status,
            code: field("code"),
            message: field("message").unwrap_or_default(),
        }
    }
}

/// A running double; stops when dropped.
#[derive(Debug)]
pub struct StripeDouble {
    service: Arc<Service>,
    base_url: String,
    tasks: [JoinHandle<()>; 2],
}

impl StripeDouble {
    /// Starts one on 127.0.0.1.
    ///
    /// # Errors
    /// When the port is not free.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let random = |salt: u64| Random::seeded(options.seed.wrapping_mul(3).wrapping_add(salt));
        let chance = Arc::new(Chance::new(options.faults, random(1)));
        let (outbox, waiting) =
            Outbox::new(options.webhook, Arc::clone(&chance), options.clock.clone());
        let sources = (options.clock, random(2));
        let service = Service::new(options.key, sources, chance, Arc::clone(&outbox));
        let service = Arc::new(service);
        let tasks = [
            tokio::spawn(server::serve(listener, Arc::clone(&service))),
            tokio::spawn(outbox.run(waiting)),
        ];
        Ok(Self { service, base_url, tasks })
    }

    /// Where it is: `http://127.0.0.1:…`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What it has taken and given back.
    #[must_use]
    pub fn books(&self) -> Books {
        self.service.account().books()
    }

    /// The buyer pays, or tries to. The intent as it is then.
    ///
    /// # Errors
    /// When there is no such intent, or it is beyond paying.
    pub fn pay(&self, intent: &str, outcome: Outcome) -> Result<Value, Refused> {
        self.act(|account| account.pay(intent, outcome))
    }

    /// The authorisation lapses: what requires capture is cancelled. The intent as it is then.
    ///
    /// # Errors
    /// When there is no such intent, or it does not require capture.
    pub fn lapse(&self, intent: &str) -> Result<Value, Refused> {
        self.act(|account| account.lapse(intent))
    }

    /// The buyer's bank decides about a refund. The refund as it is then.
    ///
    /// # Errors
    /// When there is no such refund, or it is beyond that.
    pub fn settle_refund(&self, refund: &str, status: RefundStatus) -> Result<Value, Refused> {
        self.act(|account| account.settle_refund(refund, status))
    }

    /// Forgets all idempotency keys whose requests are through, as Stripe does after a day.
    pub fn forget_keys(&self) {
        self.service.account().keys.forget();
    }

    /// What goes wrong now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.service.chance.faults().clone()
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.service.chance.faults() = faults;
    }

    /// Decides about the next posts, before chance does again.
    pub fn next(&self, fates: impl IntoIterator<Item = Fate>) {
        self.service.chance.faults().next.extend(fates);
    }

    /// Sends events elsewhere from now on.
    pub fn set_webhook(&self, webhook: Option<Webhook>) {
        self.service.outbox.set_target(webhook);
    }

    /// Events that have neither arrived nor been given up.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.service.outbox.undelivered()
    }

    fn act(
        &self,
        action: impl FnOnce(&mut Account) -> Result<Value, Refusal>,
    ) -> Result<Value, Refused> {
        self.service.act(action).map_err(Refused::from)
    }
}

impl Drop for StripeDouble {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
