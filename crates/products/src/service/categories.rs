//! The list of categories. Counting it looks at every product on offer, so where that takes long, the answer is kept for
//! ten times as long as it took: counting takes a tenth of one reader's time at most, however often somebody asks.

use std::{sync::Arc, time::Duration};

use holdfast_types::Result;
use tokio::{sync::Mutex, time::Instant};

use crate::store::ProductStore;

/// What takes less is counted each time.
const QUICK: Duration = Duration::from_millis(20);
/// How many times as long as it took an answer is kept.
const REST: u32 = 10;

/// Categories by name, with how many products there are of each.
pub(crate) type Counts = Arc<[(String, i64)]>;

/// The last answer, as long as it is good.
#[derive(Debug, Default)]
pub(super) struct Categories(Mutex<Option<(Instant, Counts)>>);

impl Categories {
    /// The counts. Who asks while somebody else counts waits for that.
    pub(super) async fn count(&self, store: &ProductStore) -> Result<Counts> {
        let mut kept = self.0.lock().await;
        let began = Instant::now();
        if let Some((until, counts)) = kept.as_ref()
            && began < *until
        {
            return Ok(Arc::clone(counts));
        }
        let counts: Counts = store.categories().await?.into();
        let took = began.elapsed();
        *kept = (took > QUICK).then(|| (Instant::now() + took * REST, Arc::clone(&counts)));
        Ok(counts)
    }
}
