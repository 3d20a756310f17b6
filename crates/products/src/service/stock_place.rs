//! By what processes tell whether they keep stock in one database.

use holdfast_storage::Database;
use holdfast_types::Result;
use serde::{Deserialize, Serialize};

use crate::store::STEP;

/// Where a process keeps stock, and in tables of which step: those for whom it is the same can do each other's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockPlace {
    mark: [u8; 32],
    step: usize,
}

impl StockPlace {
    /// A database, if somebody has put a mark there; see [`Database::put_mark`].
    pub async fn of(database: &Database) -> Result<Option<Self>> {
        Ok(database.mark().await?.map(|mark| Self { mark, step: STEP }))
    }
}
