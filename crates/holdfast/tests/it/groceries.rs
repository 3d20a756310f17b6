//! Replaying baskets through the whole program: enough stock, and half of it.

use std::path::Path;

use std::sync::Arc;

use holdfast_drill::{
    generate,
    load::{Behaviour, Repeat},
    replay::{Report, replay},
};

use crate::shop::{ADMIN_PASSWORD, Shop};

async fn replay_baskets(shop: &Shop, catalogue: &Path, baskets: &Path, clients: usize) -> Report {
    let import =
        ["import", catalogue.to_str().unwrap(), "--url", &shop.url, "--password", ADMIN_PASSWORD];
    let imported = shop.run(&import);
    assert_eq!(imported.code, 0, "{imported:?}");
    let behaviour = Behaviour {
        url: shop.url.clone(),
        clients,
        run: "replay".into(),
        repeat: Repeat::SameKey,
        stop: Arc::default(),
        is_quiet: true,
    };
    replay(baskets, 4, &behaviour).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_basket_is_sold_when_there_is_enough() {
    let shop = Shop::start();
    let folder = shop.folder.path().join("made");
    generate::generate(&folder, 300, 400).unwrap();
    let report =
        replay_baskets(&shop, &folder.join("products.csv"), &folder.join("baskets.ndjson"), 16)
            .await;
    assert_eq!((report.outcome.ledger.acknowledged.len(), report.outcome.ledger.refused), (400, 0));
    assert!(report.verdict.is_clean(), "{}", report.verdict.to_text());
    assert_eq!(shop.run(&["check"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_honest_when_there_is_half() {
    let shop = Shop::start();
    let folder = shop.folder.path().join("made");
    generate::generate(&folder, 300, 400).unwrap();
    let half = folder.join("half.csv");
    generate::scale_stock(&folder.join("products.csv"), &half, 50).unwrap();
    let report = replay_baskets(&shop, &half, &folder.join("baskets.ndjson"), 1).await;
    let (sold, refused) = (report.outcome.ledger.acknowledged.len(), report.outcome.ledger.refused);
    assert!(refused > 0 && sold > 0, "{sold} sold, {refused} refused");
    assert!(report.verdict.is_clean(), "{}", report.verdict.to_text());
    assert_eq!(shop.run(&["check"]).code, 0);
}
