//! Taking events out of the log: of each that wants a letter one is kept, once.

use async_trait::async_trait;
use holdfast_events::{Consumer, ConsumerName, Event};
use holdfast_types::Result;
use tokio::time::Instant;

use super::Mail;
use crate::model::{Cause, Letter};

#[async_trait]
impl Consumer for Mail {
    fn name(&self) -> ConsumerName {
        ConsumerName::Mail
    }

    fn types(&self) -> &'static str {
        "order.*, refund.succeeded, user.*"
    }

    async fn take(&self, events: &[Event], _: Instant) -> (usize, Result<()>) {
        let now = self.now();
        let letters: Vec<Letter> =
            events.iter().filter_map(|event| Letter::about(&cause(event), now)).collect();
        if letters.is_empty() {
            return (events.len(), Ok(()));
        }
        match self.0.store.add(letters).await {
            Ok(()) => {
                self.0.nudge.notify_one();
                (events.len(), Ok(()))
            }
            Err(error) => (0, Err(error)),
        }
    }
}

fn cause(event: &Event) -> Cause<'_> {
    let message = &event.message;
    Cause {
        id: event.id(),
        kind: &message.kind,
        subject: message.subject,
        at: message.at,
        // What says none of it is of an order that an export has left out.
        told: serde_json::from_str(event.data.get()).unwrap_or_default(),
    }
}
