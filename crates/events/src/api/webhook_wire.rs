//! What webhooks look like on the wire.

use holdfast_types::{Answer, Authority, Error, Result, Timestamp, Validation, check_line};
use holdfast_web::{not_null, present};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Events,
    model::{NewWebhook, PATTERNS, Pattern, Progress, Replay, Webhook, WebhookChange, may_audit},
    service::ReplayOrder,
};

/// Characters of a description.
const DESCRIPTION_CHARS: usize = 200;
/// Seconds for which two secrets sign.
const LONGEST_OVERLAP: u64 = 86_400;

/// A type of events, a beginning of some such as `order.*`, or `*` for all.
#[derive(Debug, Serialize, ToSchema)]
#[schema(max_length = 100, format = "event-types", example = "order.*")]
struct EventTypes(String);

/// An endpoint that events are delivered to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookView {
    id: Uuid,
    #[schema(format = "uri", example = "https://example.com/hooks")]
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[schema(value_type = Vec<EventTypes>)]
    types: Vec<String>,
    /// Whether it tells `audit` events, or once did: then administrators alone change it and see its deliveries.
    audit: bool,
    /// Whether one delivery comes after the other, in the order of the log: one that fails holds up the rest.
    ordered: bool,
    enabled: bool,
    /// Present when it is not enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Timestamp>,
    /// Present when every attempt has failed since then; after five days of it the webhook is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// The position in the log up to which deliveries have been made.
    #[schema(minimum = 0)]
    after: i64,
    /// Present when so many positions had left the log before deliveries were made of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<i64>,
    /// What deliveries are signed with (HMAC-SHA-256): only in the answers to creation and rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwq1fAUqe0x2E=")]
    secret: Option<String>,
    /// Present while the secret before signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl WebhookView {
    pub(super) fn new(webhook: &Webhook, progress: &Progress) -> Self {
        let (reason, at) =
            webhook.disabled.clone().map(|disabled| (disabled.reason, disabled.at)).unzip();
        Self {
            id: webhook.id.uuid(),
            url: webhook.url.clone(),
            description: webhook.description.clone(),
            types: webhook.types.iter().map(Pattern::to_string).collect(),
            audit: webhook.has_told_audit(),
            ordered: webhook.ordered,
            enabled: webhook.disabled.is_none(),
            disabled_reason: reason,
            disabled_at: at,
            failing_since: progress.failing_since,
            after: progress.after,
            skipped: (progress.skipped > 0).then_some(progress.skipped),
            secret: None,
            previous_secret_until: webhook.previous.as_ref().map(|(_, until)| *until),
            version: webhook.version.0,
            created_at: webhook.created_at,
        }
    }

    /// The answer to a change.
    pub(super) fn shown(webhook: &Webhook, progress: &Progress) -> Result<Answer> {
        Answer::ok(webhook.etag(), &Self::new(webhook, progress))
    }

    /// The answer to a rotation.
    pub(super) fn rotated(webhook: &Webhook, progress: &Progress) -> Result<Answer> {
        let secret = Some(webhook.secret.reveal());
        Answer::ok(webhook.etag(), &Self { secret, ..Self::new(webhook, progress) })
    }

    /// The answer to a creation.
    pub(super) fn created(webhook: &Webhook, progress: &Progress) -> Result<Answer> {
        Ok(Answer { status: 201, ..Self::rotated(webhook, progress)? })
    }
}

/// Part of the webhooks.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(super) struct WebhookPage {
    items: Vec<WebhookView>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateWebhookBody {
    /// `https`, and of the public internet.
    #[schema(format = "uri", max_length = 2048, example = "https://example.com/hooks")]
    url: String,
    #[schema(value_type = Vec<EventTypes>, min_items = 1, max_items = 20)]
    types: Vec<String>,
    /// Whether one delivery comes after the other, in the order of the log; else up to eight are under way at a time.
    #[serde(default)]
    #[schema(required = false)]
    ordered: bool,
    #[schema(min_length = 1, max_length = 200, format = "line")]
    description: Option<String>,
}

impl CreateWebhookBody {
    pub(super) async fn check(self, events: &Events, maker: &Authority) -> Result<NewWebhook> {
        let mut validation = Validation::default();
        let types = read_types(&mut validation, "#/types", &self.types);
        check_description(&mut validation, self.description.as_deref());
        validation.take("#/url", events.check_url(&self.url).await);
        validation.finish()?;
        let audit = may_audit(&types, maker)?;
        let Self { url, ordered, description, .. } = self;
        Ok(NewWebhook { url, description, types, audit, ordered })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateWebhookBody {
    /// The version that the change is based on; or send `If-Match`.
    #[expect(dead_code, reason = "the basis is read before the rest of the body")]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Option<i64>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, format = "uri", max_length = 2048, example = "https://example.com/hooks")]
    url: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Vec<EventTypes>, min_items = 1, max_items = 20)]
    types: Option<Vec<String>>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    ordered: Option<bool>,
    /// `false` stops deliveries; `true` lets them go on where they were.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    enabled: Option<bool>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, format = "line")]
    description: Option<Option<String>>,
}

impl UpdateWebhookBody {
    pub(super) fn check(self, chooser: &Authority) -> Result<WebhookChange> {
        let mut validation = Validation::default();
        let types = self.types.map(|types| read_types(&mut validation, "#/types", &types));
        check_description(&mut validation, self.description.as_ref().and_then(Option::as_deref));
        validation.finish()?;
        let types = types.map(|types| may_audit(&types, chooser).map(|audit| (types, audit)));
        let types = types.transpose()?;
        let Self { url, ordered, enabled, description, .. } = self;
        Ok(WebhookChange { url, description, types, ordered, enabled })
    }
}

fn read_types(validation: &mut Validation, pointer: &str, types: &[String]) -> Vec<Pattern> {
    if types.is_empty() || types.len() > PATTERNS {
        validation.refuse(pointer, format!("expected 1 to {PATTERNS} types"));
    }
    let read = |(number, text): (usize, &String)| {
        validation.take(&format!("{pointer}/{number}"), text.parse::<Pattern>())
    };
    types.iter().take(PATTERNS).enumerate().filter_map(read).collect()
}

fn check_description(validation: &mut Validation, description: Option<&str>) {
    if let Some(text) = description {
        validation.take("#/description", check_line(text, DESCRIPTION_CHARS));
    }
}

#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RotateBody {
    /// For how long the secret before signs as well; 0 where it is left out.
    #[serde(default)]
    #[schema(required = false, maximum = 86400, example = 3600)]
    overlap_seconds: u64,
}

impl RotateBody {
    pub(super) fn check(&self) -> Result<u64> {
        let mut validation = Validation::default();
        if self.overlap_seconds > LONGEST_OVERLAP {
            validation.refuse("#/overlapSeconds", format!("expected 0 to {LONGEST_OVERLAP}"));
        }
        validation.finish().map(|()| self.overlap_seconds)
    }
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReplayBody {
    /// What happened at this time and later.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// What happened before this time; until now where it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Which of the types that the webhook is for; all of them where it is left out.
    #[schema(value_type = Option<Vec<EventTypes>>, min_items = 1, max_items = 20)]
    types: Option<Vec<String>>,
    /// Only deliveries that were given up: they are begun again.
    #[serde(default)]
    #[schema(required = false)]
    only_failed: bool,
}

impl ReplayBody {
    pub(super) fn check(self) -> Result<ReplayOrder> {
        let mut validation = Validation::default();
        let types = self.types.map(|types| read_types(&mut validation, "#/types", &types));
        validation.finish()?;
        let (from, to, types) = (self.from, self.to, types.unwrap_or_default());
        Ok(ReplayOrder { from, to, types, only_failed: self.only_failed })
    }
}

/// What is delivered once more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayView {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Empty for all that the webhook is for.
    #[schema(value_type = Vec<EventTypes>)]
    types: Vec<String>,
    only_failed: bool,
}

impl ReplayView {
    pub(super) fn answer(replay: &Replay) -> Result<Answer> {
        let view = Self {
            id: replay.id,
            from: replay.from,
            to: replay.to,
            types: replay.types.iter().map(Pattern::to_string).collect(),
            only_failed: replay.only_failed,
        };
        let body = serde_json::to_vec(&view).map_err(Error::internal)?;
        Ok(Answer { status: 202, etag: None, body })
    }
}
