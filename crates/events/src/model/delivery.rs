//! Rules about deliveries: when one is tried again, and when it is given up.

use std::time::Duration;

use holdfast_types::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{WebhookId, id_of};
use crate::service::Event;

/// Attempts that are kept of one delivery.
const ATTEMPTS: usize = 20;
/// How long an endpoint may ask to be left alone.
pub(crate) const LONGEST_REST: Duration = Duration::from_secs(24 * 60 * 60);

/// Marks ids of deliveries.
#[derive(Debug)]
pub(crate) enum DeliveryKind {}

/// Identifies a delivery.
pub(crate) type DeliveryId = Id<DeliveryKind>;

/// An event on its way to an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) webhook: WebhookId,
    pub(crate) event: EventRef,
    pub(crate) status: DeliveryStatus,
    /// When it is tried next.
    pub(crate) due: Timestamp,
    /// Attempts since it was begun, or begun again.
    round: usize,
    /// The last of them.
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) created_at: Timestamp,
}

/// Which event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRef {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    /// Its place in the log; 0 for one that is only for trying out.
    pub(crate) position: i64,
    pub(crate) at: Timestamp,
}

impl From<&Event> for EventRef {
    fn from(event: &Event) -> Self {
        Self {
            id: id_of(event.position, &event.message),
            kind: event.message.kind.to_string(),
            position: event.position,
            at: event.message.at,
        }
    }
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryStatus {
    /// It is tried, or will be again.
    Pending,
    /// The endpoint has it.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    pub(crate) millis: u64,
    pub(crate) told: Told,
    /// What was answered, if anything.
    pub(crate) status: Option<u16>,
    /// The beginning of the answer.
    pub(crate) answer: Option<String>,
    /// Why nothing was answered.
    pub(crate) error: Option<String>,
}

/// What an attempt says about what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Told {
    /// The endpoint has it.
    Taken,
    /// It wants nothing any more (410).
    Gone,
    /// It has too much to do, or cannot be reached: 429, 502, 504, silence.
    Busy,
    /// It does not take this one, or may not be asked.
    Refused,
    /// There was nothing to send any more, which is no fault of the endpoint's.
    Lost,
}

impl Told {
    /// What a status says.
    pub(crate) const fn by(status: u16) -> Self {
        match status {
            200..=299 => Self::Taken,
            410 => Self::Gone,
            429 | 502 | 504 => Self::Busy,
            _ => Self::Refused,
        }
    }
}

/// How long to wait before each attempt, the first included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Schedule {
    /// At once, and then for three days, as Standard Webhooks advises.
    #[must_use]
    pub fn usual() -> Self {
        let (minute, hour) = (60, 60 * 60);
        let waits = [0, 5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour];
        let waits = waits.into_iter().chain([20 * hour, 24 * hour]);
        Self(waits.map(Duration::from_secs).collect())
    }

    /// One to twenty waits, each a day at most.
    pub fn new(waits: Vec<Duration>) -> Result<Self, String> {
        let fits =
            (1..=ATTEMPTS).contains(&waits.len()) && waits.iter().all(|wait| *wait <= LONGEST_REST);
        let expected = || format!("expected 1 to {ATTEMPTS} waits, each of 24h at most");
        if fits { Ok(Self(waits)) } else { Err(expected()) }
    }
}

impl Delivery {
    /// An event that is to be delivered at once.
    pub(crate) fn new(id: Uuid, webhook: WebhookId, event: EventRef, now: Timestamp) -> Self {
        Self {
            id: DeliveryId::new(id),
            webhook,
            event,
            status: DeliveryStatus::Pending,
            due: now,
            round: 0,
            attempts: Vec::new(),
            created_at: now,
        }
    }

    /// Notes how an attempt went, and what comes of it: each wait of the schedule is up to a fifth longer, by `jitter` (0 to 1), so
    /// that what failed together does not come back together; `rest` is what the endpoint asks for.
    pub(crate) fn note(
        &mut self,
        attempt: Attempt,
        schedule: &Schedule,
        rest: Option<Duration>,
        jitter: f64,
    ) {
        let (told, now) = (attempt.told, attempt.at.plus(Duration::from_millis(attempt.millis)));
        self.attempts.push(attempt);
        let kept_from = self.attempts.len().saturating_sub(ATTEMPTS);
        self.attempts.drain(..kept_from);
        self.round += 1;
        // Trying out is done once.
        let next = schedule.0.get(self.round).filter(|_| self.event.position > 0);
        match (told, next) {
            (Told::Taken, _) => self.status = DeliveryStatus::Delivered,
            (Told::Gone | Told::Lost, _) | (_, None) => self.status = DeliveryStatus::Failed,
            (_, Some(wait)) => {
                let wait = wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 5.0);
                self.due = now.plus(wait.max(rest.unwrap_or_default().min(LONGEST_REST)));
            }
        }
    }

    /// Begins it again, now.
    pub(crate) const fn begin_again(&mut self, now: Timestamp) {
        self.status = DeliveryStatus::Pending;
        self.due = now;
        self.round = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: Option<u16>) -> Attempt {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let told = status.map_or(Told::Busy, Told::by);
        Attempt { at, millis: 500, told, status, answer: None, error: None }
    }

    fn delivery() -> Delivery {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let event = EventRef { id: Uuid::nil(), kind: "order.placed".into(), position: 1, at };
        Delivery::new(Uuid::nil(), WebhookId::new(Uuid::nil()), event, at)
    }

    fn schedule(seconds: &[u64]) -> Schedule {
        Schedule::new(seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect())
            .unwrap()
    }

    #[test]
    fn only_what_is_taken_has_arrived() {
        for (status, told) in [
            (200, Told::Taken),
            (204, Told::Taken),
            (302, Told::Refused),
            (400, Told::Refused),
            (500, Told::Refused),
            (410, Told::Gone),
            (429, Told::Busy),
            (502, Told::Busy),
            (504, Told::Busy),
        ] {
            assert_eq!(Told::by(status), told, "{status}");
        }
    }

    #[test]
    fn what_fails_is_tried_again_later_each_time_and_then_given_up() {
        let (mut delivery, schedule) = (delivery(), schedule(&[0, 10, 100]));
        let begun = delivery.due;
        delivery.note(attempt(Some(500)), &schedule, None, 0.0);
        assert_eq!(delivery.due.as_millis() - begun.as_millis(), 10_500);
        delivery.note(attempt(None), &schedule, None, 1.0);
        assert_eq!(delivery.due.as_millis() - begun.as_millis(), 120_500);
        assert_eq!(delivery.status, DeliveryStatus::Pending);
        delivery.note(attempt(Some(500)), &schedule, None, 0.0);
        assert_eq!(delivery.status, DeliveryStatus::Failed);
        delivery.begin_again(begun);
        delivery.note(attempt(Some(201)), &schedule, None, 0.0);
        assert_eq!((delivery.status, delivery.attempts.len()), (DeliveryStatus::Delivered, 4));
    }

    #[test]
    fn an_endpoint_may_ask_for_rest_and_for_no_more() {
        let (mut delivery, schedule) = (delivery(), schedule(&[0, 10, 100]));
        let begun = delivery.due;
        delivery.note(attempt(Some(429)), &schedule, Some(Duration::from_secs(60)), 0.0);
        assert_eq!(delivery.due.as_millis() - begun.as_millis(), 60_500);
        delivery.note(attempt(Some(429)), &schedule, Some(Duration::MAX), 0.0);
        assert_eq!(delivery.due.as_millis() - begun.as_millis(), 86_400_500);
        let mut gone = self::delivery();
        gone.note(attempt(Some(410)), &schedule, None, 0.0);
        assert_eq!(gone.status, DeliveryStatus::Failed);
        let mut lost = self::delivery();
        lost.note(Attempt { told: Told::Lost, ..attempt(None) }, &schedule, None, 0.0);
        assert_eq!(lost.status, DeliveryStatus::Failed, "what is lost does not come back");
        let mut test = self::delivery();
        test.event.position = 0;
        test.note(attempt(Some(500)), &schedule, None, 0.0);
        assert_eq!(test.status, DeliveryStatus::Failed, "trying out is done once");
    }

    #[test]
    fn attempts_and_schedules_are_bounded() {
        let (mut delivery, schedule) = (delivery(), schedule(&[0; 20]));
        for _ in 0..50 {
            delivery.begin_again(delivery.due);
            delivery.note(attempt(Some(500)), &schedule, None, 0.0);
        }
        assert_eq!(delivery.attempts.len(), ATTEMPTS);
        assert!(
            Schedule::new(Vec::new()).is_err() && Schedule::new(vec![Duration::ZERO; 21]).is_err()
        );
        assert!(Schedule::new(vec![Duration::from_secs(86_401)]).is_err());
    }
}
