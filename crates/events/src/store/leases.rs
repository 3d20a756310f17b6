//! Which process sees to a consumer of the log. It holds the consumer for as long as it shows signs of life; others tell by their
//! own watches, since the clocks of machines differ (as leader election in Kubernetes does).

use holdfast_storage::record::{Fault, Stored, Tx};
use holdfast_types::Result;
use uuid::Uuid;

use super::EventStore;
use crate::model::Progress;

impl EventStore {
    /// How far a consumer is, if it has begun.
    pub(crate) async fn consumer(&self, consumer: Uuid) -> Result<Option<Progress>> {
        self.db.get(consumer).await
    }

    /// Lets a consumer begin after `after`, once: a second call says how far it is.
    pub(crate) async fn begin_consumer(&self, consumer: Uuid, after: i64) -> Result<Progress> {
        let (progress, _) =
            self.db.create(Progress::new(consumer, after)).await?.map_err(Fault::from)?;
        Ok(progress)
    }

    /// Makes `process` the holder of a consumer if it is as `seen`: of those who try at once, one is.
    pub(crate) async fn take_lease(&self, seen: &Progress, process: Uuid) -> Result<bool> {
        let (id, holder, turn) = (seen.consumer, seen.holder, seen.turn);
        let take = move |tx: Tx| async move {
            let Some(mut progress) = tx.get::<Progress>(id).await? else { return Ok(false) };
            if (progress.holder, progress.turn) != (holder, turn) {
                return Ok(false);
            }
            progress.holder = Some(process);
            progress.turn += 1;
            tx.put(&progress).await??;
            Ok(true)
        };
        self.db.transact(take).await
    }

    /// A sign of life of `process` for each of these consumers that it holds; says which.
    pub(crate) async fn renew_leases(
        &self,
        process: Uuid,
        consumers: Vec<Uuid>,
    ) -> Result<Vec<Uuid>> {
        let renew = move |tx: Tx| {
            let consumers = consumers.clone();
            async move {
                let mut held = Vec::new();
                for mut progress in held_by(&tx, process, consumers).await? {
                    progress.turn += 1;
                    tx.put(&progress).await??;
                    held.push(progress.consumer);
                }
                Ok(held)
            }
        };
        self.db.transact(renew).await
    }

    /// Lets go of those of these consumers that `process` holds, so that another may take them at once.
    pub(crate) async fn drop_leases(&self, process: Uuid, consumers: Vec<Uuid>) -> Result<()> {
        let let_go = move |tx: Tx| {
            let consumers = consumers.clone();
            async move {
                for mut progress in held_by(&tx, process, consumers).await? {
                    progress.holder = None;
                    progress.turn += 1;
                    tx.put(&progress).await??;
                }
                Ok(())
            }
        };
        self.db.transact(let_go).await
    }
}

/// Those of these consumers that `process` holds.
async fn held_by(
    tx: &Tx,
    process: Uuid,
    consumers: Vec<Uuid>,
) -> Result<Vec<Stored<Progress>>, Fault> {
    let mut held = Vec::new();
    for id in consumers {
        let found: Option<Stored<Progress>> = tx.get(id).await?;
        held.extend(found.filter(|progress| progress.holder == Some(process)));
    }
    Ok(held)
}
