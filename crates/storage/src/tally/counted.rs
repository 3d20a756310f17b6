//! Counting what was there before anything was counted, once for good.

use std::{marker::PhantomData, sync::Arc};

use holdfast_types::{Result, Tally};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Shards;
use crate::{
    Database,
    record::{Record, Table, Tx, Value},
};

/// Where a service marks that it has counted what was there when counting began.
pub trait CountedTable: Send + Sync + 'static {
    /// It has a row at most.
    const TABLE: Table;
}

/// The mark.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Counted<T> {
    /// Always the same: there is one.
    id: Uuid,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T: CountedTable> Record for Counted<T> {
    const TABLE: Table = T::TABLE;

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

impl Database {
    /// Counts what is `there` already, unless that was done before. Whoever serves has done so before, so what comes meanwhile is
    /// counted as it comes.
    pub async fn count_earlier<T: CountedTable>(
        &self,
        shards: &Shards,
        there: impl Future<Output = Result<Vec<Tally>>>,
    ) -> Result<()> {
        if self.get::<Counted<T>>(Uuid::nil()).await?.is_some() {
            return Ok(());
        }
        let (shards, tallies) = (shards.clone(), Arc::new(there.await?));
        let count = move |tx: Tx| {
            let (shards, tallies) = (shards.clone(), Arc::clone(&tallies));
            async move {
                match tx.insert(&Counted::<T> { id: Uuid::nil(), of: PhantomData }).await? {
                    Ok(()) => tx.count(&shards, tallies.iter().cloned()).await,
                    // Another process was faster.
                    Err(_) => Ok(()),
                }
            }
        };
        self.transact(count).await
    }
}
