//! What API keys look like on the wire.

use holdfast_types::{
    Answer, KeyId, Permission, Permissions, Result, Timestamp, UserId, Validation, check_line,
};
use holdfast_web::{auth::key_prefix, not_null, present};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{ApiKey, KeyChange, NewKey, parse_range};

/// Characters of a name.
const NAME_CHARS: usize = 100;
/// Ranges of addresses that a key may name.
const RANGES: usize = 20;
/// Seconds for which two secrets are good.
const LONGEST_OVERLAP: u64 = 86_400;

/// An IP address, or a network such as `192.0.2.0/24`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(max_length = 43, format = "ip-range", example = "192.0.2.0/24")]
struct AddressRange(String);

/// What a program may do in a user's name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKeyView {
    #[schema(value_type = uuid::Uuid)]
    id: KeyId,
    /// What it is for.
    #[schema(example = "Warehouse")]
    name: String,
    /// How the key begins, whatever its secret: tells which one has turned up somewhere.
    #[schema(example = "hfk_02tX3vQh1pQ7yQ0n3k9Zxe")]
    prefix: String,
    /// In whose name it acts.
    #[schema(value_type = uuid::Uuid)]
    user_id: UserId,
    /// What it permits, as far as that user may do it too.
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
    /// Where it may be used from; everywhere, when the list is empty.
    #[schema(value_type = Vec<AddressRange>)]
    addresses: Vec<IpNet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// To the minute; absent as long as it was not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// Present when the secret was changed with an overlap: the one before is good until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The key itself: `hfk_`, id, secret and CRC-32 in base 62. Only in the answers to creation and rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<&ApiKey> for ApiKeyView {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            prefix: key_prefix(key.id),
            user_id: key.user,
            permissions: key.permissions,
            addresses: key.addresses.clone(),
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            previous_secret_until: key.previous.map(|previous| previous.until),
            version: key.version.0,
            created_at: key.created_at,
            key: None,
        }
    }
}

impl ApiKeyView {
    /// The answer to a change.
    pub(super) fn shown(key: &ApiKey) -> Result<Answer> {
        Answer::ok(key.etag(), &Self::from(key))
    }

    /// The answer to a creation, as it is kept: without the key.
    pub(super) fn created(key: &ApiKey) -> Result<Answer> {
        Ok(Answer { status: 201, ..Self::shown(key)? })
    }
}

/// Part of the API keys, newest first.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(super) struct ApiKeyPage {
    items: Vec<ApiKeyView>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateApiKeyBody {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100, format = "line", example = "Warehouse")]
    name: String,
    /// Writing includes reading.
    #[schema(value_type = Vec<Permission>, min_items = 1, max_items = 20)]
    permissions: Permissions,
    /// Where it may be used from; everywhere, when the list is empty.
    #[serde(default)]
    #[schema(value_type = Vec<AddressRange>, required = false, max_items = 20)]
    addresses: Vec<String>,
    /// When it ends; never, where it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl CreateApiKeyBody {
    pub(super) fn check(self) -> Result<NewKey> {
        let mut validation = Validation::default();
        validation.take("#/name", check_line(&self.name, NAME_CHARS));
        check_permissions(&mut validation, self.permissions);
        let addresses = read_ranges(&mut validation, &self.addresses);
        validation.finish()?;
        let Self { name, permissions, expires_at, .. } = self;
        Ok(NewKey { name, permissions, addresses, expires_at })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateApiKeyBody {
    /// The version that the change is based on; or send `If-Match`.
    #[expect(dead_code, reason = "the basis is read before the rest of the body")]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Option<i64>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, min_length = 1, max_length = 100, format = "line")]
    name: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Vec<Permission>, min_items = 1, max_items = 20)]
    permissions: Option<Permissions>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Vec<AddressRange>, max_items = 20)]
    addresses: Option<Vec<String>>,
    /// `null` lets it never end.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
}

impl UpdateApiKeyBody {
    pub(super) fn check(self) -> Result<KeyChange> {
        let mut validation = Validation::default();
        if let Some(name) = &self.name {
            validation.take("#/name", check_line(name, NAME_CHARS));
        }
        if let Some(permissions) = self.permissions {
            check_permissions(&mut validation, permissions);
        }
        let addresses = self.addresses.map(|ranges| read_ranges(&mut validation, &ranges));
        validation.finish()?;
        let Self { name, permissions, expires_at, .. } = self;
        Ok(KeyChange { name, permissions, addresses, expires_at })
    }
}

fn check_permissions(validation: &mut Validation, permissions: Permissions) {
    if permissions.is_empty() {
        validation.refuse("#/permissions", "expected one permission at least");
    }
}

fn read_ranges(validation: &mut Validation, ranges: &[String]) -> Vec<IpNet> {
    if ranges.len() > RANGES {
        validation.refuse("#/addresses", format!("expected {RANGES} at most"));
    }
    let read = |(number, text): (usize, &String)| {
        validation.take(&format!("#/addresses/{number}"), parse_range(text))
    };
    ranges.iter().take(RANGES).enumerate().filter_map(read).collect()
}

#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RotateApiKeyBody {
    /// For how long the secret before is good as well; 0 where it is left out.
    #[serde(default)]
    #[schema(required = false, maximum = 86400, example = 3600)]
    overlap_seconds: u64,
}

impl RotateApiKeyBody {
    pub(super) fn check(&self) -> Result<u64> {
        let mut validation = Validation::default();
        if self.overlap_seconds > LONGEST_OVERLAP {
            validation.refuse("#/overlapSeconds", format!("expected 0 to {LONGEST_OVERLAP}"));
        }
        validation.finish().map(|()| self.overlap_seconds)
    }
}
