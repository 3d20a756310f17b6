//! Rules about webhooks: where events are delivered, which, and until when.

use std::time::Duration;

use holdfast_types::{Authority, Basis, Code, Error, Id, Message, Result, Timestamp, Version};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Filter, Pattern, SigningSecret, may_audit};

/// An endpoint that has failed for so long, and nothing but failed, is asked no more.
const PATIENCE: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// Marks ids of webhooks.
#[derive(Debug)]
pub(crate) enum WebhookKind {}

/// Identifies a webhook.
pub(crate) type WebhookId = Id<WebhookKind>;

/// An endpoint, and what it wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) id: WebhookId,
    pub(crate) url: String,
    pub(crate) description: Option<String>,
    pub(crate) types: Vec<Pattern>,
    /// Whether whoever chose them may read who of the staff did what: then they include that.
    #[serde(default)]
    pub(crate) audit: bool,
    /// Whether they ever did: who may not read that has no business with what was delivered.
    #[serde(default)]
    pub(crate) told_audit: bool,
    /// Whether one comes after the other, in the order of the log.
    pub(crate) ordered: bool,
    /// Nothing while it is asked.
    pub(crate) disabled: Option<Disabled>,
    pub(crate) secret: SigningSecret,
    /// The one before, and until when it signs as well.
    pub(crate) previous: Option<(SigningSecret, Timestamp)>,
    pub(crate) version: Version,
    pub(crate) created_at: Timestamp,
}

/// Since when an endpoint is not asked, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Disabled {
    pub(crate) reason: String,
    pub(crate) at: Timestamp,
}

/// What a webhook begins with.
#[derive(Clone, Debug)]
pub(crate) struct NewWebhook {
    pub(crate) url: String,
    pub(crate) description: Option<String>,
    pub(crate) types: Vec<Pattern>,
    /// Whether whoever chose them may read who of the staff did what.
    pub(crate) audit: bool,
    pub(crate) ordered: bool,
}

/// A change of some of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookChange {
    pub(crate) url: Option<String>,
    pub(crate) description: Option<Option<String>>,
    /// And whether whoever chose them may read who of the staff did what.
    pub(crate) types: Option<(Vec<Pattern>, bool)>,
    pub(crate) ordered: Option<bool>,
    pub(crate) enabled: Option<bool>,
}

fn tells_audit(types: &[Pattern], audit: bool) -> bool {
    audit && types.iter().any(Pattern::has_audit)
}

impl Webhook {
    pub(crate) fn new(id: Uuid, new: NewWebhook, secret: SigningSecret, now: Timestamp) -> Self {
        let NewWebhook { url, description, types, audit, ordered } = new;
        let told_audit = tells_audit(&types, audit);
        Self {
            id: WebhookId::new(id),
            url,
            description,
            types,
            audit,
            told_audit,
            ordered,
            disabled: None,
            secret,
            previous: None,
            version: Version::FIRST,
            created_at: now,
        }
    }

    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    pub(crate) fn filter(&self) -> Filter {
        Filter { types: self.types.clone(), subject: None, audit: self.audit }
    }

    /// Whether it tells who of the staff did what, or ever did.
    pub(crate) fn has_told_audit(&self) -> bool {
        self.told_audit || tells_audit(&self.types, self.audit)
    }

    /// Refuses with `forbidden` who may not read what it delivers, or has delivered.
    pub(crate) fn admits(&self, authority: &Authority) -> Result<()> {
        match self.has_told_audit() && !may_audit(&[], authority)? {
            true => {
                let why = "it tells `audit` events, or has: administrators only";
                Err(Error::new(Code::Forbidden, why))
            }
            false => Ok(()),
        }
    }

    /// Makes a change that is based on `basis`.
    pub(crate) fn change(
        &mut self,
        change: &WebhookChange,
        basis: &Basis,
        now: Timestamp,
    ) -> Result<()> {
        basis.check_version(self.version, self.version)?;
        let WebhookChange { url, description, types, ordered, enabled } = change.clone();
        self.url = url.unwrap_or_else(|| self.url.clone());
        self.description = description.unwrap_or_else(|| self.description.clone());
        // Who says again what was so chooses nothing.
        if let Some((types, audit)) = types.filter(|(types, _)| *types != self.types) {
            self.told_audit |= tells_audit(&types, audit);
            (self.types, self.audit) = (types, audit);
        }
        self.ordered = ordered.unwrap_or(self.ordered);
        match enabled {
            Some(true) => self.disabled = None,
            Some(false) if self.disabled.is_none() => {
                self.disabled = Some(Disabled { reason: "switched off by hand".into(), at: now });
            }
            _ => {}
        }
        self.version = self.version.next();
        Ok(())
    }

    /// Stops asking it.
    pub(crate) fn disable(&mut self, reason: &str, now: Timestamp) {
        self.disabled = Some(Disabled { reason: reason.to_owned(), at: now });
        self.version = self.version.next();
    }

    /// Gives it another secret; the one before signs as well for a while.
    pub(crate) fn rotate(&mut self, secret: SigningSecret, overlap: Duration, now: Timestamp) {
        let before = std::mem::replace(&mut self.secret, secret);
        self.previous = (!overlap.is_zero()).then(|| (before, now.plus(overlap)));
        self.version = self.version.next();
    }

    /// The signatures of a delivery, a space between them: also that of the secret before, while it signs.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let mut signatures = self.secret.sign(id, at, body);
        if let Some((before, _)) = self.previous.as_ref().filter(|(_, until)| at < *until) {
            signatures.push(' ');
            signatures.push_str(&before.sign(id, at, body));
        }
        signatures
    }

    /// Tells the world that it is asked no more.
    pub(crate) fn was_disabled(&self, disabled: &Disabled) -> Message {
        Message {
            kind: "webhook.disabled".into(),
            subject: self.id.uuid(),
            version: self.version,
            at: disabled.at,
            data: Some(json!({ "webhookId": self.id, "disabledReason": disabled.reason })),
        }
    }
}

/// How far somebody is who takes events out of the log, and which process sees to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The id of the webhook, or of a [`super::ConsumerName`].
    pub(crate) consumer: Uuid,
    /// The position up to which it has taken them.
    pub(crate) after: i64,
    /// Positions that had left the log before their turn came.
    pub(crate) skipped: i64,
    /// Since when every attempt has failed.
    pub(crate) failing_since: Option<Timestamp>,
    /// The process that delivers.
    pub(crate) holder: Option<Uuid>,
    /// Counts the signs of life of the holder.
    pub(crate) turn: i64,
    /// Counts what others want to be looked at.
    pub(crate) wake: i64,
}

impl Progress {
    /// Of one whose events begin after `after`.
    pub(crate) const fn new(consumer: Uuid, after: i64) -> Self {
        let (skipped, failing_since, holder, turn, wake) = (0, None, None, 0, 0);
        Self { consumer, after, skipped, failing_since, holder, turn, wake }
    }

    /// Notes how attempts went; says whether it is time to give up.
    pub(crate) fn note(&mut self, has_success: bool, now: Timestamp) -> bool {
        if has_success {
            self.failing_since = None;
            return false;
        }
        let since = *self.failing_since.get_or_insert(now);
        since.plus(PATIENCE) <= now
    }
}

/// What is to be delivered once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) id: Uuid,
    pub(crate) webhook: WebhookId,
    /// Events of this time on, and before that one.
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Which of those that the webhook is for; none for all.
    pub(crate) types: Vec<Pattern>,
    /// Whether only what was given up, instead of whatever the log has.
    pub(crate) only_failed: bool,
    /// How far it is in the log, and where it ends.
    pub(crate) after: i64,
    pub(crate) until: i64,
    /// How far it is among deliveries that were given up.
    pub(crate) last: Option<Uuid>,
}

impl Replay {
    /// Whether an event is among what is to be delivered once more.
    pub(crate) fn wants(&self, kind: &str, at: Timestamp) -> bool {
        let is_wanted = self.types.is_empty() || self.types.iter().any(|one| one.matches(kind));
        is_wanted && self.from <= at && at < self.to
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Code, Permissions};

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    fn webhook() -> Webhook {
        let new = NewWebhook {
            url: "https://example.com/".into(),
            description: None,
            types: vec!["order.*".parse().unwrap()],
            audit: true,
            ordered: false,
        };
        Webhook::new(Uuid::nil(), new, SigningSecret::new([1; 32]), now())
    }

    #[test]
    fn both_secrets_sign_during_a_rotation() {
        let mut webhook = webhook();
        let before = webhook.sign("a", now(), "{}");
        webhook.rotate(SigningSecret::new([2; 32]), Duration::from_secs(60), now());
        let both = webhook.sign("a", now(), "{}");
        assert!(both.ends_with(&format!(" {before}")) && both.split(' ').count() == 2, "{both}");
        let after = webhook.sign("a", now().plus(Duration::from_secs(60)), "{}");
        assert_eq!(after.split(' ').count(), 1);
        webhook.rotate(SigningSecret::new([3; 32]), Duration::ZERO, now());
        assert_eq!(webhook.sign("a", now(), "{}").split(' ').count(), 1);
    }

    #[test]
    fn a_change_is_based_on_what_it_has_seen() {
        let mut webhook = webhook();
        let basis = |version| Basis { if_match: None, version: Some(Version(version)) };
        let off = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
        webhook.change(&off, &basis(1), now()).unwrap();
        assert_eq!(webhook.disabled.as_ref().unwrap().reason, "switched off by hand");
        let stale = webhook.change(&off, &basis(1), now()).unwrap_err();
        assert_eq!(stale.code(), Code::VersionConflict);
        let on = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
        webhook.change(&on, &basis(2), now()).unwrap();
        assert_eq!((webhook.disabled.is_none(), webhook.version), (true, Version(3)));
    }

    #[test]
    fn what_tells_who_did_something_stays_with_those_who_may_read_it() {
        let everything = Authority { permissions: Permissions::ALL, own_products_only: false };
        let admits = |types: &str, audit| {
            let basis = Basis { if_match: None, version: Some(Version(1)) };
            let types = Some((Filter::read_types(types).unwrap(), audit));
            let mut webhook = webhook();
            let change = WebhookChange { types, ..WebhookChange::default() };
            webhook.change(&change, &basis, now()).unwrap();
            assert!(webhook.admits(&everything).is_ok());
            let admits = webhook.admits(&Authority::NONE).is_ok();
            // Also when it is narrowed: what was delivered is still there.
            let types = Some((vec!["order.paid".parse().unwrap()], true));
            let basis = Basis { if_match: None, version: Some(Version(2)) };
            webhook.change(&WebhookChange { types, ..change }, &basis, now()).unwrap();
            assert_eq!(webhook.admits(&Authority::NONE).is_ok(), admits);
            admits
        };
        assert!(admits("order.*", true) && admits("*", false));
        assert!(!admits("*", true) && !admits("order.*,audit.place_order", true));
    }

    #[test]
    fn who_repeats_the_types_chooses_nothing() {
        let mut webhook = Webhook { types: vec!["*".parse().unwrap()], audit: false, ..webhook() };
        let basis = Basis { if_match: None, version: Some(Version(1)) };
        let types = Some((webhook.types.clone(), true));
        let change = WebhookChange { types, ..WebhookChange::default() };
        webhook.change(&change, &basis, now()).unwrap();
        assert!(!webhook.filter().audit && webhook.admits(&Authority::NONE).is_ok());
    }

    #[test]
    fn five_days_of_nothing_but_failures_are_enough() {
        let mut progress = Progress::new(Uuid::nil(), 0);
        let later = |hours: u64| now().plus(Duration::from_secs(hours * 3600));
        assert!(!progress.note(false, now()));
        assert!(!progress.note(false, later(119)));
        assert!(!progress.note(true, later(119)), "one success begins anew");
        assert!(!progress.note(false, later(120)));
        assert!(progress.note(false, later(240)));
    }

    #[test]
    fn a_replay_is_of_a_time_and_of_types() {
        let types = vec!["order.*".parse().unwrap()];
        let replay = Replay {
            id: Uuid::nil(),
            webhook: WebhookId::new(Uuid::nil()),
            from: now(),
            to: now().plus(Duration::from_secs(1)),
            types,
            only_failed: false,
            after: 0,
            until: 1,
            last: None,
        };
        assert!(replay.wants("order.placed", now()) && !replay.wants("product.updated", now()));
        assert!(!replay.wants("order.placed", now().plus(Duration::from_secs(1))));
        assert!(!replay.wants("order.placed", now().minus(Duration::from_millis(1))));
    }
}
