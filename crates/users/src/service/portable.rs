//! A move to another engine.

use holdfast_storage::{Entry, Flow};
use holdfast_types::{Result, UserId};
use serde::{Deserialize, Serialize};

use super::Users;
use crate::store::portable::Record;

/// Something that users keep, as it moves from one engine to another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Portable(Record);

impl Portable {
    /// The user.
    #[must_use]
    pub fn id(&self) -> UserId {
        let Record::User(user) = &self.0;
        user.id
    }
}

impl Users {
    /// Everything that is kept, in one snapshot: apart from the secret and the kept answers.
    pub async fn dump(&self) -> Result<Flow<Entry<Portable>>> {
        Ok(self.store().dump().await?.map(|entry| entry.map(Portable)))
    }

    /// Keeps what [`Self::dump`] told, unless it is there.
    pub async fn load(&self, records: Vec<Portable>) -> Result<()> {
        self.store().load(records.into_iter().map(|record| record.0).collect()).await
    }
}
