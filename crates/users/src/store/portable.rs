//! What users move from one engine to another. Sessions stay behind: everybody signs in again.

use serde::{Deserialize, Serialize};

use crate::model::User;

/// Something that users keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Record {
    /// A user.
    User(Box<User>),
}
