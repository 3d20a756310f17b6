//! Files that were copied in part, damaged or removed: a shop that lost something is not served without a word.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::shop::{Ran, Shop, items, wait_until};

/// A shop with some orders.
async fn sold(orders: usize) -> (Shop, Value) {
    let shop = Shop::start_as(&[], &[("HOLDFAST_RATE_LIMITS", "off")]);
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 1_000_000).await;
    sell(&shop, &teapot, orders).await;
    (shop, teapot)
}

async fn sell(shop: &Shop, product: &Value, orders: usize) {
    let mut admin = shop.admin().await;
    for _ in 0..orders {
        admin.post("/api/orders", &items(&[(product, 1)])).await.expect(201).unwrap();
    }
}

/// The units of a product that are promised, in the shop on `data`.
fn check(data: &Path) -> Ran {
    let settings = [("HOLDFAST_DATA_DIR".to_owned(), data.to_string_lossy().into_owned())];
    crate::shop::run(data.parent().unwrap(), &["check"], &settings)
}

/// The files of a shop's database that are there.
fn copy(shop: &Shop, files: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for file in files {
        fs::copy(shop.data().join(file), data.join(file)).unwrap();
    }
    (folder, data)
}

fn length(shop: &Shop, file: &str) -> u64 {
    fs::metadata(shop.data().join(file)).map_or(0, |file| file.len())
}

#[tokio::test]
async fn an_idle_shop_is_whole_in_its_file() {
    let (shop, teapot) = sold(50).await;
    let log = length(&shop, "holdfast.db-wal");
    assert!(log > 100_000, "the control: {log} bytes were in the log");
    for round in 1..=2 {
        wait_until(Duration::from_secs(10), "the log is moved", || async {
            let (_folder, data) = copy(&shop, &["holdfast.db"]);
            check(&data).out.contains(&format!("{} orders", 50 * round))
        })
        .await;
        sell(&shop, &teapot, 50).await;
    }
}

#[tokio::test]
async fn a_clean_stop_leaves_no_log() {
    let (mut shop, _) = sold(50).await;
    let pid = shop.child.as_ref().unwrap().id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(shop.child.as_mut().unwrap().wait().unwrap().success());
    assert_eq!(length(&shop, "holdfast.db-wal"), 0);
    let (_folder, data) = copy(&shop, &["holdfast.db"]);
    let found = check(&data);
    assert!(found.code == 0 && found.out.contains("50 orders"), "{found:?}");
}

#[tokio::test]
async fn what_lost_its_log_is_refused() {
    let (mut shop, _) = sold(100).await;
    shop.kill();
    let everything = ["holdfast.db", "holdfast.db-wal", "holdfast.db-mark"];
    let (_folder, data) = copy(&shop, &everything);
    let whole = check(&data);
    assert!(whole.code == 0 && whole.out.contains("100 orders"), "the control: {whole:?}");

    let (_folder, data) = copy(&shop, &everything[..1]);
    let alone = check(&data);
    assert!(alone.code == 2 && alone.err.contains("without its log"), "{alone:?}");

    let (_folder, data) = copy(&shop, &everything);
    fs::remove_file(data.join("holdfast.db-wal")).unwrap();
    let removed = check(&data);
    assert!(removed.code == 2 && removed.err.contains("without its log"), "{removed:?}");

    let (_folder, data) = copy(&shop, &everything);
    let log = data.join("holdfast.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let flipped = check(&data);
    assert!(flipped.code == 2 && flipped.err.contains("lacks the last"), "{flipped:?}");
    // Looking must not have thrown away what is left.
    assert_eq!(fs::read(&log).unwrap(), bytes);

    for gone in ["", "holdfast.db"] {
        let (_folder, data) = copy(&shop, &everything);
        match gone {
            "" => fs::write(data.join("holdfast.db"), "").unwrap(),
            file => fs::remove_file(data.join(file)).unwrap(),
        }
        let data_dir = data.to_string_lossy().into_owned();
        let settings = [("HOLDFAST_DATA_DIR", data_dir), ("PORT", "0".to_owned())];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let refused = crate::shop::run(data.parent().unwrap(), &["serve"], &settings);
        assert!(refused.code == 2 && refused.err.contains("gone or empty"), "{refused:?}");
    }
}

/// An older state that is meant: the mark of the newer one does not stand in its way.
#[tokio::test]
async fn a_backup_is_put_in_the_place_of_what_it_was_made_of() {
    let (mut shop, teapot) = sold(20).await;
    let unfinished = shop.folder.path().join("copy.db.unfinished");
    fs::write(&unfinished, "what a killed backup left").unwrap();
    let backup = shop.folder.path().join("copy.db");
    let made = shop.run(&["backup", backup.to_str().unwrap()]);
    assert!(made.code == 0 && !unfinished.exists(), "{made:?}");
    assert_ne!(shop.run(&["backup", backup.to_str().unwrap()]).code, 0, "it is there already");
    sell(&shop, &teapot, 20).await;
    shop.kill();
    for file in ["holdfast.db-wal", "holdfast.db-shm"] {
        fs::remove_file(shop.data().join(file)).unwrap();
    }
    fs::copy(&backup, shop.data().join("holdfast.db")).unwrap();
    shop.start_again();
    assert_eq!(shop.admin().await.stock(&teapot).await, (1_000_000, 20));
    sell(&shop, &teapot, 5).await;
    let found = shop.run(&["check"]);
    assert!(found.code == 0 && found.out.contains("25 orders"), "{found:?}");
}
