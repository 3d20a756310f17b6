//! Rules about letters: which events are told in one, when one is tried again, and when it is given up. Pure, without clock or I/O.

mod kind;

use std::time::Duration;

use holdfast_types::{Id, Money, OrderId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use kind::LetterKind;

/// How long after its cause a letter is worth sending.
const FRESH: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// Until a letter is tried again that the server did not take for now: greylisting asks for minutes (RFC 6647, §4), queues for
/// hours (RFC 5321, §4.5.4.1).
const WAITS: [u64; 8] = [60, 300, 900, 3_600, 7_200, 14_400, 28_800, 43_200];
/// The same while the server is away: as long as that is, no letter counts its attempts.
const AWAY: Duration = Duration::from_secs(30);
/// The same for an address that has had many letters lately.
const MANY: Duration = Duration::from_secs(15 * 60);
/// Characters of a problem that are kept.
const PROBLEM: usize = 300;

/// Marks ids of letters.
#[derive(Debug)]
pub(crate) enum LetterMark {}

/// Identifies a letter: as the event that it is about, so there is one.
pub(crate) type LetterId = Id<LetterMark>;

/// A letter about an event. What it says, and to whom, is asked when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) id: LetterId,
    pub(crate) kind: LetterKind,
    /// What the event happened to.
    pub(crate) subject: Uuid,
    pub(crate) order: Option<OrderId>,
    pub(crate) user: Option<UserId>,
    /// What was given back.
    pub(crate) amount: Option<Money>,
    /// When the event happened.
    pub(crate) happened_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) status: LetterStatus,
    /// When it is tried next, while it is pending.
    pub(crate) due: Timestamp,
    /// How often the server did not take it.
    pub(crate) attempts: u32,
    /// Why it is not sent.
    pub(crate) problem: Option<String>,
    pub(crate) sent_at: Option<Timestamp>,
}

/// How far a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LetterStatus {
    /// It is sent, or will be tried again.
    Pending,
    /// The server has it.
    Sent,
    /// It was not wanted any more, or there was no address.
    Skipped,
    /// It was given up.
    Failed,
}

impl LetterStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server has it.
    Sent,
    /// Nobody wants it, and why.
    Skipped(&'static str),
    /// The server takes it never.
    Refused(String),
    /// The server does not take it now.
    Deferred(String),
    /// The address has had many letters lately.
    Crowded,
    /// The server cannot be asked.
    Away(String),
}

impl Outcome {
    /// In a word, for figures.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Skipped(_) => "skipped",
            Self::Refused(_) => "refused",
            Self::Deferred(_) => "deferred",
            Self::Crowded => "crowded",
            Self::Away(_) => "away",
        }
    }
}

/// What an event says that letters are about.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Told {
    order_id: Option<OrderId>,
    user_id: Option<UserId>,
    amount: Option<Money>,
}

/// An event, as far as letters are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    pub(crate) id: Uuid,
    pub(crate) kind: &'a str,
    pub(crate) subject: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) told: Told,
}

impl Letter {
    /// The letter that an event wants, if it wants one, and is not old already.
    pub(crate) fn about(cause: &Cause<'_>, now: Timestamp) -> Option<Self> {
        let kind = LetterKind::of(cause.kind)?;
        let Told { order_id, user_id, amount } = cause.told;
        let letter = Self {
            id: LetterId::new(cause.id),
            kind,
            subject: cause.subject,
            order: order_id,
            user: user_id,
            amount,
            happened_at: cause.at,
            created_at: now,
            status: LetterStatus::Pending,
            due: now,
            attempts: 0,
            problem: None,
            sent_at: None,
        };
        (!letter.is_stale(now)).then_some(letter)
    }

    /// Whether nobody wants it any more.
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        now >= self.happened_at.plus(FRESH)
    }

    /// Notes how an attempt went, and what comes of it; `jitter` is 0 to 1, so that what failed together does not come back together.
    pub(crate) fn note(&mut self, outcome: Outcome, now: Timestamp, jitter: f64) {
        if self.status != LetterStatus::Pending {
            return;
        }
        let (wait, problem) = match outcome {
            Outcome::Sent => {
                (self.status, self.sent_at, self.problem) = (LetterStatus::Sent, Some(now), None);
                return;
            }
            Outcome::Skipped(why) => {
                (self.status, self.problem) = (LetterStatus::Skipped, Some(why.to_owned()));
                return;
            }
            Outcome::Refused(why) => {
                self.attempts += 1;
                (None, why)
            }
            Outcome::Deferred(why) => {
                let wait = WAITS.get(self.attempts as usize).copied().map(Duration::from_secs);
                self.attempts += 1;
                (wait, why)
            }
            Outcome::Crowded => {
                (Some(MANY), "the address has had many letters lately: it waits".to_owned())
            }
            Outcome::Away(why) => (Some(AWAY), why),
        };
        self.problem = Some(kept(&problem));
        match wait.filter(|_| !self.is_stale(now)) {
            Some(wait) => self.due = now.plus(wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0))),
            None => self.status = LetterStatus::Failed,
        }
    }

    /// Sends it once more, now.
    pub(crate) fn begin_again(&mut self, now: Timestamp) {
        (self.status, self.due, self.attempts) = (LetterStatus::Pending, now, 0);
        (self.problem, self.sent_at, self.happened_at) = (None, None, now);
    }
}

/// The beginning of what a server says, as a text that every engine keeps.
fn kept(problem: &str) -> String {
    problem.chars().map(|char| if char.is_control() { ' ' } else { char }).take(PROBLEM).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn letter() -> Letter {
        let subject = Uuid::from_u128(5);
        let cause =
            Cause { id: subject, kind: "order.placed", subject, at: NOW, told: Told::default() };
        Letter::about(&cause, NOW).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_deferred_is_tried_less_and_less_often_and_given_up() {
        let mut letter = letter();
        for wait in WAITS {
            letter.note(Outcome::Deferred("451 later\r\n".to_owned()), NOW, 0.0);
            assert_eq!((letter.status, letter.due), (LetterStatus::Pending, at(wait)));
            assert_eq!(letter.problem.as_deref(), Some("451 later  "));
        }
        letter.note(Outcome::Deferred("451".to_owned()), NOW, 0.0);
        assert_eq!((letter.status, letter.attempts), (LetterStatus::Failed, 9));
        letter.begin_again(at(100));
        assert_eq!(
            (letter.status, letter.due, letter.attempts),
            (LetterStatus::Pending, at(100), 0)
        );
        letter.note(Outcome::Sent, at(101), 0.0);
        letter.begin_again(at(101));
        assert_eq!((letter.status, letter.sent_at), (LetterStatus::Pending, None));
        letter.note(Outcome::Sent, at(101), 0.0);
        assert_eq!((letter.status, letter.sent_at), (LetterStatus::Sent, Some(at(101))));
        letter.note(Outcome::Refused("550".to_owned()), at(102), 0.0);
        assert_eq!(letter.status, LetterStatus::Sent, "who was faster is right");
    }

    #[test]
    fn while_the_server_is_away_no_letter_counts_until_nobody_wants_it() {
        let mut letter = letter();
        for _ in 0..100 {
            letter.note(Outcome::Away("connection refused".to_owned()), NOW, 1.0);
        }
        assert_eq!(
            (letter.status, letter.attempts, letter.due),
            (LetterStatus::Pending, 0, at(60))
        );
        letter.note(Outcome::Away("connection refused".to_owned()), at(3 * 86_400), 0.0);
        assert_eq!(letter.status, LetterStatus::Failed);
    }

    #[test]
    fn who_has_many_letters_has_the_next_later_and_what_is_refused_is_over() {
        let mut letter = letter();
        letter.note(Outcome::Crowded, NOW, 0.0);
        assert_eq!((letter.status, letter.due), (LetterStatus::Pending, at(900)));
        letter.note(Outcome::Refused("550 unknown".to_owned()), NOW, 0.0);
        assert_eq!(
            (letter.status, letter.problem.as_deref()),
            (LetterStatus::Failed, Some("550 unknown"))
        );
    }

    #[test]
    fn nobody_is_written_to_about_what_is_long_past() {
        let subject = Uuid::nil();
        let cause =
            Cause { id: subject, kind: "order.paid", subject, at: NOW, told: Told::default() };
        assert!(Letter::about(&cause, at(3 * 86_400 - 1)).is_some());
        assert!(Letter::about(&cause, at(3 * 86_400)).is_none());
        assert!(Letter::about(&Cause { kind: "order.delivered", ..cause }, NOW).is_none());
    }
}
