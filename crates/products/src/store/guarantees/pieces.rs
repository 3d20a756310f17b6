//! The pieces of which larger methods are made, and what is read, forgotten and loaded.

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::Code;

use super::*;
use crate::model::{BatchItem, BatchMode, BatchOutcome, BatchRequest, Offer, Written};
use crate::store::listing::Index;

impl Bench {
    /// Runs one piece in a transaction of its own.
    pub(super) async fn within<T, F>(
        &self,
        piece: impl Fn(ProductStore, Tx) -> F + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let store = self.store.clone();
        self.fresh.database.transact(move |tx| piece(store.clone(), tx)).await
    }

    async fn found(&self, id: ProductId) -> Product {
        Product::clone(&*self.store.get(id).await.unwrap().unwrap())
    }

    async fn save(&self, written: Vec<Written>) -> Result<()> {
        let save = move |store: ProductStore, tx: Tx| {
            let written = written.clone();
            async move { store.save(&tx, written).await }
        };
        self.within(save).await
    }

    /// Reads, decides, writes.
    async fn add_one(&self, id: ProductId) -> Result<()> {
        let change = self.change();
        let add = move |store: ProductStore, tx: Tx| async move {
            let before = store.load_for_change(&tx, id).await?.unwrap();
            let mut product = before.clone();
            let movement = Some(product.adjust(1, "delivery", change)?);
            let written = Written { before: Some(before), product, movement };
            store.save(&tx, vec![written]).await
        };
        self.within(add).await
    }

    fn item(&self, sku: &str, version: Option<i64>) -> BatchItem {
        let new = self.new_product(sku, 3);
        let version = version.map(Version);
        BatchItem {
            id: new.id,
            details: new.details,
            offer: Offer::default(),
            quantity: Some(3),
            version,
        }
    }
}

fn count(outcomes: &[BatchOutcome]) -> Result<Answer> {
    let refused =
        outcomes.iter().filter(|outcome| matches!(outcome, BatchOutcome::Refused(..))).count();
    let text = format!("{} of {}", outcomes.len() - refused, outcomes.len());
    Ok(Answer { status: 200, etag: None, body: text.into_bytes() })
}

#[tokio::test]
async fn open_keeps_the_secret_and_what_is_kept() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.product("A", 1).await;
        let first = ProductStore::open(&bench.fresh.database, &bench.fresh.random).await.unwrap();
        let second = ProductStore::open(&bench.fresh.database, &bench.fresh.random).await.unwrap();
        assert_eq!(first.1.hash(b"content"), second.1.hash(b"content"));
        assert!(second.0.get(id).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn get_knows_the_product_as_it_was_acknowledged() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let new = bench.new_product("A", 5);
        bench.store.create(&new, None).await.unwrap();
        assert_eq!(bench.found(new.id).await, Product::new(&new));
        for name in ["Ada", "Bob"] {
            let patch = rename(name);
            let change = bench.change();
            let judge = move |product: &mut Product| {
                product.edit(&patch, &based_on(product.version.0), change)
            };
            bench.store.edit(new.id, &bench.operation(), change.at, render, judge).await.unwrap();
            assert_eq!(bench.found(new.id).await.details.name, name, "never an older one");
        }
        let nothing = ProductId::from_bytes([9; 16]);
        assert!(bench.store.get(nothing).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn load_for_change_holds_others_up() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let id = bench.product("A", 0).await;
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.add_one(id).await.unwrap() })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(bench.numbers(id).await, (8, 0), "no update was lost");
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn load_by_sku_finds_those_that_there_are() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (a, b) = (bench.product("A", 1).await, bench.product("B", 1).await);
        bench.archive(b).await.unwrap();
        let skus = ["A", "B", "C"].map(str::to_owned).to_vec();
        let load = move |store: ProductStore, tx: Tx| {
            let skus = skus.clone();
            async move { store.load_by_sku(&tx, skus).await }
        };
        let found = bench.within(load).await.unwrap();
        let mut found: Vec<_> = found.into_iter().map(|(sku, product)| (sku, product.id)).collect();
        found.sort_unstable();
        assert_eq!(found, [("A".to_owned(), a), ("B".to_owned(), b)]);
    })
    .await;
}

#[tokio::test]
async fn save_takes_a_sku_once_and_lets_it_go() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (a, b) = (bench.product("A", 1).await, bench.product("B", 1).await);
        let before = bench.found(b).await;
        let with_sku = |sku: &str| {
            let mut product = before.clone();
            product.details.sku = Some(sku.to_owned());
            product.version = product.version.next();
            Written { before: Some(before.clone()), product, movement: None }
        };
        let taken = bench.save(vec![with_sku("A")]).await.unwrap_err();
        assert_eq!(taken.code(), Code::SkuTaken);
        assert_eq!(bench.found(b).await, before, "a refusal changes nothing");
        bench.save(vec![with_sku("C")]).await.unwrap();
        assert_eq!(bench.found(b).await.details.sku.as_deref(), Some("C"));
        bench.product("B", 1).await;
        assert_ne!(bench.found(a).await.details.sku.as_deref(), Some("B"));
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn write_batch_is_all_or_nothing_where_it_should_be_and_happens_once() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.product("A", 1).await;
        let (operation, change) = (bench.operation(), bench.change());
        let write = async |mode, operation: &Operation| {
            let items = vec![Ok(bench.item("A", Some(7))), Ok(bench.item("B", None))];
            let request = BatchRequest { mode, overwrite: false, of_anybody: false, items };
            bench.store.write_batch(Ok(request), operation, change, count).await
        };
        let refused = write(BatchMode::Atomic, &operation).await.unwrap_err();
        assert_eq!(refused.code(), Code::VersionConflict);
        let request = PageRequest { limit: 10, after: None };
        let all = bench.list(&ProductFilter::default(), &request).await;
        assert_eq!(all.items.len(), 1, "nothing of it was written");
        for replayed in [false, true] {
            let given = write(BatchMode::Partial, &operation).await.unwrap();
            assert_eq!((given.answer.body.as_slice(), given.replayed), (&b"1 of 2"[..], replayed));
        }
        let all = bench.list(&ProductFilter::default(), &request).await;
        assert_eq!(all.items.len(), 2);
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn is_narrow_tells_few_from_many_and_list_by_shows_the_few() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ids = [bench.product("A", 1).await, bench.product("B", 1).await];
        let words = super::listing::as_typed("green b");
        let filter = ProductFilter { words, ..ProductFilter::default() };
        assert!(bench.store.is_narrow(Index::Words, &filter).await.unwrap());
        let request = PageRequest { limit: 10, after: None };
        let found = bench.store.list_by(Index::Words, &filter, &request).await.unwrap();
        assert_eq!(found.into_iter().map(|product| product.id).collect::<Vec<_>>(), ids[1..]);
    })
    .await;
}

#[tokio::test]
async fn categories_counts_what_is_on_offer() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        for (sku, category) in
            [("A", Some("Tea")), ("B", Some("Cups")), ("C", Some("Tea")), ("D", None)]
        {
            let mut new = bench.new_product(sku, 1);
            new.details.category = category.map(str::to_owned);
            bench.store.create(&new, None).await.unwrap();
        }
        let gone = bench.product("E", 1).await;
        bench.archive(gone).await.unwrap();
        let found = bench.store.categories().await.unwrap();
        assert_eq!(found, [("Cups".to_owned(), 1), ("Tea".to_owned(), 2)]);
    })
    .await;
}

#[tokio::test]
async fn confirm_takes_batches_from_the_sweep() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.product("A", 10).await;
        let (first, _) = bench.reserve_batch(&bench.command(&[(id, 1)])).await;
        let (second, _) = bench.reserve_batch(&bench.command(&[(id, 1)])).await;
        bench.fresh.clock.advance(std::time::Duration::from_secs(1));
        for _ in 0..2 {
            bench.store.confirm(&[first]).await.unwrap();
        }
        let left = bench.store.unconfirmed(bench.now()).await.unwrap();
        assert_eq!(left.into_iter().map(|left| left.batch).collect::<Vec<_>>(), [second]);
    })
    .await;
}

#[tokio::test]
async fn forget_lets_a_key_be_used_again() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.product("A", 1).await;
        let operation = bench.operation();
        assert!(!bench.adjust(id, 1, &operation).await.unwrap().replayed);
        bench.store.forget(bench.now()).await.unwrap();
        assert!(bench.adjust(id, 1, &operation).await.unwrap().replayed, "it is not that old");
        bench.store.forget(bench.now().plus(std::time::Duration::from_millis(1))).await.unwrap();
        assert!(!bench.adjust(id, 1, &operation).await.unwrap().replayed);
        assert_eq!(bench.numbers(id).await, (3, 0));
    })
    .await;
}

#[tokio::test]
async fn load_keeps_what_is_there_and_adds_the_rest() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.product("A", 10).await;
        bench.reserve(&bench.command(&[(id, 2)])).await.unwrap();
        let records: Vec<Record> = bench.dump().await.into_iter().map(Result::unwrap).collect();
        let new = Product::new(&bench.new_product("B", 4));
        let mut more = records.clone();
        more.push(Record::Movement(new.id, new.creation()));
        more.insert(0, Record::Product(Box::new(new.clone())));
        bench.adjust(id, 5, &bench.operation()).await.unwrap();
        for _ in 0..2 {
            bench.store.load(more.clone()).await.unwrap();
        }
        assert_eq!(bench.numbers(id).await, (15, 2), "what is there stays");
        assert_eq!(bench.found(new.id).await, new);
        bench.assert_sound().await;
        // A line of a product that is not there is refused at once, or seen by the audit.
        let stray = Product::new(&bench.new_product("C", 1));
        let loaded = bench.store.load(vec![Record::Movement(stray.id, stray.creation())]).await;
        match loaded {
            Err(error) => assert_eq!(error.code(), Code::InvalidParameter, "{error:?}"),
            Ok(()) => {
                let is_damaged = bench.dump().await.iter().any(Result::is_err);
                assert!(is_damaged || !bench.findings().await.is_empty());
            }
        }
    })
    .await;
}
