//! A move to another engine.

use holdfast_storage::{from_json, to_json};
use holdfast_types::Result;
use serde_json::Value;

use super::Users;

impl Users {
    /// Everything that is kept, in one snapshot, as JSON: apart from the secret and the kept answers.
    pub async fn dump(&self) -> Result<Vec<Value>> {
        to_json(&self.store().dump().await?)
    }

    /// Keeps what [`Self::dump`] told, unless it is there. Refuses what it does not understand.
    pub async fn load(&self, records: Vec<Value>) -> Result<()> {
        self.store().load(from_json("users", records)?).await
    }
}
