//! What is told of products: each thing once, with the change itself.

use holdfast_storage::EventSource;

use holdfast_testkit::audited;

use super::*;
use crate::model::{BatchItem, BatchMode, BatchOutcome, BatchRequest, Offer};

impl Bench {
    /// What was told, by its type and version, and forgets it.
    async fn told(&self) -> Vec<(String, i64)> {
        let batches = self.store.outbox().take(100).await.unwrap();
        let ids: Vec<_> = batches.iter().map(|batch| batch.id).collect();
        self.store.outbox().settle(&ids).await.unwrap();
        let messages = batches.into_iter().flat_map(|batch| batch.messages);
        messages.map(|message| (message.kind.to_string(), message.version.0)).collect()
    }
}

fn told(messages: &[(&str, i64)]) -> Vec<(String, i64)> {
    messages.iter().map(|(kind, version)| ((*kind).to_owned(), *version)).collect()
}

#[tokio::test]
async fn changes_of_details_are_told_once() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let new = bench.new_product("A", 1);
        for _ in 0..2 {
            bench.store.create(&new, None).await.unwrap();
        }
        assert_eq!(bench.told().await, told(&[("product.created", 1)]));
        bench.rename(new.id, "Green tea").await.unwrap();
        assert!(bench.rename(new.id, "Black tea").await.is_err(), "based on what is not there");
        assert_eq!(bench.told().await, told(&[("product.updated", 2)]));
        let again = bench.operation();
        for _ in 0..2 {
            bench.adjust(new.id, -1, &again).await.unwrap();
        }
        assert_eq!(bench.told().await, told(&[("product.updated", 3), ("product.sold_out", 2)]));
    })
    .await;
}

#[tokio::test]
async fn note_audit_and_changes_tell_who_answers_for_them() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (new, operation) = (bench.new_product("A", 1), audited(&bench.fresh.random));
        for _ in 0..2 {
            bench.store.create(&new, operation.audit.clone()).await.unwrap();
        }
        let answered_for = ("audit.make_thing", 1);
        assert_eq!(bench.told().await, told(&[("product.created", 1), answered_for]));
        for _ in 0..2 {
            bench.adjust(new.id, 1, &operation).await.unwrap();
        }
        assert_eq!(bench.told().await, told(&[("product.updated", 2), answered_for]));
        let item = |sku: &str| {
            let NewProduct { id, details, .. } = bench.new_product(sku, 1);
            Ok(BatchItem { id, details, offer: Offer::default(), quantity: Some(1), version: None })
        };
        let request = || BatchRequest {
            mode: BatchMode::Partial,
            overwrite: true,
            of_anybody: true,
            items: vec![
                item("B"),
                Err(holdfast_types::Error::invalid("#/items/1", "wrong")),
                item("C"),
                item("B"),
            ],
        };
        let operation = audited(&bench.fresh.random);
        for _ in 0..2 {
            let written = |_: &[BatchOutcome]| Ok(Answer { status: 200, etag: None, body: vec![] });
            let write = bench.store.write_batch(Ok(request()), &operation, bench.change(), written);
            write.await.unwrap();
        }
        let made = ("product.created", 1);
        let again = ("product.updated", 1);
        let all = [made, again, made, answered_for, answered_for];
        assert_eq!(bench.told().await, told(&all), "each product once");
        let upload = audited(&bench.fresh.random);
        for _ in 0..2 {
            bench.store.note_audit(&upload, bench.now()).await.unwrap();
            bench.store.note_audit(&bench.operation(), bench.now()).await.unwrap();
        }
        assert_eq!(bench.told().await, told(&[answered_for]));
    })
    .await;
}

#[tokio::test]
async fn the_last_unit_and_the_first_again_are_told() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 3).await;
        bench.told().await;
        let (some, rest) = (bench.command(&[(product, 1)]), bench.command(&[(product, 2)]));
        bench.reserve(&some).await.unwrap();
        assert_eq!(bench.told().await, []);
        bench.reserve(&rest).await.unwrap();
        bench.reserve(&rest).await.unwrap();
        assert!(bench.reserve(&bench.command(&[(product, 1)])).await.is_err());
        assert_eq!(bench.told().await, told(&[("product.sold_out", 3)]));
        let release = |id| [(id, StockAction::Release)];
        for _ in 0..2 {
            bench.store.apply_stock_actions(&release(some.id), bench.now()).await.unwrap();
        }
        assert_eq!(bench.told().await, told(&[("product.restocked", 4)]));
        bench.store.apply_stock_actions(&release(rest.id), bench.now()).await.unwrap();
        assert_eq!(bench.told().await, []);
    })
    .await;
}
