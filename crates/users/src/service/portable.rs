//! A move to another engine.

use holdfast_types::{Error, Result};
use serde_json::Value;

use super::Users;

impl Users {
    /// Everything that is kept, in one snapshot, as JSON: apart from the secret and the kept answers.
    pub async fn dump(&self) -> Result<Vec<Value>> {
        let records = self.store().dump().await?;
        records.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(Error::internal)
    }

    /// Keeps what [`Self::dump`] told, unless it is there. Refuses what it does not understand.
    pub async fn load(&self, records: Vec<Value>) -> Result<()> {
        let records = records.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
        let damaged = |error| Error::invalid("#", format!("not a record of users: {error}"));
        self.store().load(records.map_err(damaged)?).await
    }
}
