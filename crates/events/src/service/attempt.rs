//! One attempt at a delivery (Standard Webhooks 1.0).

use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use holdfast_outbound::Failure;
use holdfast_types::{Error, Message, Result, Timestamp, Version};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{Event, Inner};
use crate::{
    model::{Attempt, Delivery, DeliveryId, LONGEST_REST, Told, Webhook, id_of},
    wire::{payload, payload_as},
};

/// How long an attempt may take, with everything.
pub(super) const ATTEMPT_TIME: Duration = Duration::from_secs(15);

/// How an attempt went.
pub(super) struct Tried {
    pub(super) delivery: DeliveryId,
    /// Nothing where none was made, since what to send could not be found out.
    pub(super) attempt: Option<Attempt>,
    /// How long the endpoint asks to be left alone.
    pub(super) rest: Option<Duration>,
}

impl Inner {
    /// Sends a delivery to its endpoint, once.
    pub(super) async fn attempt(&self, webhook: &Webhook, delivery: &Delivery) -> Tried {
        let (at, began) = (self.clock.now(), Instant::now());
        let (mut answered, mut rest) = (None, None);
        let (told, error) = match self.body(webhook, delivery).await {
            Ok(Some(body)) => match self.send(webhook, delivery, body, at).await {
                Ok(answer) => {
                    rest = answer.retry_after.as_deref().and_then(|text| read_rest(text, at));
                    answered = Some((answer.status, readable(&answer.body)));
                    (Told::by(answer.status), None)
                }
                Err(Failure::Refused(why)) => (Told::Refused, Some(why)),
                Err(failure) => (Told::Busy, Some(failure.to_string())),
            },
            Ok(None) => (Told::Lost, Some("the event is not kept any more".to_owned())),
            Err(error) => {
                tracing::debug!(%error, "cannot read an event that is to be delivered");
                return Tried { delivery: delivery.id, attempt: None, rest: None };
            }
        };
        let (status, answer) = answered.unzip();
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or_default();
        let attempt = Attempt { at, millis, told, status, answer, error };
        let result = match told {
            Told::Taken => "taken",
            Told::Gone => "gone",
            Told::Busy => "busy",
            Told::Refused => "refused",
            Told::Lost => "lost",
        };
        metrics::counter!("webhook_attempts_total", "result" => result).increment(1);
        metrics::histogram!("webhook_attempt_seconds").record(began.elapsed());
        // One that has taken a delivery may have more.
        let rest = rest.filter(|_| told != Told::Taken);
        Tried { delivery: delivery.id, attempt: Some(attempt), rest }
    }

    async fn send(
        &self,
        webhook: &Webhook,
        delivery: &Delivery,
        body: String,
        at: Timestamp,
    ) -> std::result::Result<holdfast_outbound::Answer, Failure> {
        let target = self.webhooks.policy.check(&webhook.url).map_err(Failure::Refused)?;
        let id = delivery.event.id.to_string();
        let signatures = webhook.sign(&id, at, &body);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::CONTENT_TYPE, "application/json"),
            (header::USER_AGENT, concat!("Holdfast/", env!("CARGO_PKG_VERSION"))),
            (HeaderName::from_static("webhook-id"), &id),
            (HeaderName::from_static("webhook-timestamp"), &at.as_seconds().to_string()),
            (HeaderName::from_static("webhook-signature"), &signatures),
        ] {
            let value = HeaderValue::from_str(value);
            headers.insert(name, value.map_err(|error| Failure::Refused(error.to_string()))?);
        }
        self.outbound.post(&target, headers, body.into()).await
    }

    /// What is sent, always the same for the same event; nothing where the log has it no more.
    async fn body(&self, webhook: &Webhook, delivery: &Delivery) -> Result<Option<String>> {
        let of = &delivery.event;
        if of.position > 0 {
            // A log that came from elsewhere may have another event in that place.
            let found = self.log.get(of.position).await?;
            let found = found.filter(|event| id_of(event.position, &event.message) == of.id);
            return found.as_ref().map(payload).transpose();
        }
        let message = Message {
            kind: of.kind.clone().into(),
            subject: webhook.id.uuid(),
            version: Version::FIRST,
            at: of.at,
            data: None,
        };
        let data = RawValue::from_string("{}".to_owned()).map_err(Error::internal)?;
        let event = Event { position: 0, message, data: data.into() };
        payload_as(of.id, &event).map(Some)
    }
}

/// `Retry-After` (RFC 9110, §10.2.3): seconds, or a time.
fn read_rest(text: &str, now: Timestamp) -> Option<Duration> {
    let rest = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at =
                httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
            let now = Duration::from_millis(u64::try_from(now.as_millis()).ok()?);
            at.saturating_sub(now)
        }
    };
    Some(rest.min(LONGEST_REST))
}

/// The beginning of an answer as a text that every engine keeps.
fn readable(body: &[u8]) -> String {
    let control = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
    String::from_utf8_lossy(body).replace(control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_when_to_come_back() {
        let now = Timestamp::from_millis(784_111_777_000);
        let rest = |text| read_rest(text, now).map(|rest| rest.as_secs());
        assert_eq!(rest("120"), Some(120));
        assert_eq!(rest("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(rest("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "it is past");
        assert_eq!(rest("99999999999"), Some(86_400));
        assert_eq!((rest("soon"), rest("-1")), (None, None));
    }

    #[test]
    fn answers_become_text() {
        assert_eq!(readable(b"ok\0\x1b[1m\n\xff"), "ok\u{fffd}\u{fffd}[1m\n\u{fffd}");
    }
}
