//! The command line.

use std::{fs, io::Write, path::Path, time::Duration};

use flate2::{Compression, write::GzEncoder};

use crate::shop::{ADMIN_PASSWORD, Ran, Shop, run, wait_until};

fn import(shop: &Shop, file: &Path, more: &[&str]) -> Ran {
    let mut arguments =
        vec!["import", file.to_str().unwrap(), "--url", &shop.url, "--password", ADMIN_PASSWORD];
    arguments.extend(more);
    shop.run(&arguments)
}

#[tokio::test]
async fn import_reports_refused_rows_and_repeats_harmlessly() {
    let shop = Shop::start();
    let file = shop.folder.path().join("products.csv");
    // XXX is what ISO 4217 calls "no currency".
    fs::write(
        &file,
        "sku,name,category,price,currency,quantity\nA,Tea,Drinks,199,USD,5\nB,\"\",Drinks,199,USD,5\nC,Pot,,many,USD,5\nD,Cup,Drinks\nE,Mug,Drinks,299,XXX,1\nF,Jar,Drinks,99,EUR,2\n",
    )
    .unwrap();
    let first = import(&shop, &file, &[]);
    assert_eq!(first.code, 1, "{first:?}");
    for part in ["line 3: ", "line 4: column 4: ", "line 5: 3 columns, expected 6", "line 6: "] {
        assert!(first.err.contains(part), "{part}: {first:?}");
    }
    assert!(first.out.contains("2 created, 0 updated, 4 refused"), "{first:?}");
    let again = import(&shop, &file, &[]);
    assert!(again.out.contains("2 created, 0 updated, 4 refused"), "the same answers: {again:?}");
    assert_eq!(
        shop.anybody().get("/api/products").await.json()["items"].as_array().unwrap().len(),
        2
    );

    let changed = shop.folder.path().join("changed.csv.gz");
    let mut gzip = GzEncoder::new(fs::File::create(&changed).unwrap(), Compression::fast());
    gzip.write_all(b"sku,name,price,currency,quantity\nA,Green tea,249,USD,7\n").unwrap();
    gzip.finish().unwrap();
    let refused = import(&shop, &changed, &[]);
    assert!(
        refused.code == 1 && refused.err.contains("line 2: a product with this sku exists"),
        "{refused:?}"
    );
    let updated = import(&shop, &changed, &["--overwrite"]);
    assert!(updated.code == 0 && updated.out.contains("1 updated"), "{updated:?}");
    let tea = shop.anybody().get("/api/products?sku=A").await.json();
    assert_eq!(
        (tea["items"][0]["name"].as_str(), tea["items"][0]["quantity"].as_i64()),
        (Some("Green tea"), Some(7))
    );

    let exported = shop.folder.path().join("export.csv");
    let export = shop.run(&["export", exported.to_str().unwrap(), "--url", &shop.url]);
    assert_eq!(export.code, 0, "{export:?}");
    assert_eq!(
        fs::read_to_string(exported).unwrap(),
        "sku,name,description,category,price,currency,quantity\nA,Green tea,,,249,USD,7\nF,Jar,,Drinks,99,EUR,2\n"
    );
}

#[tokio::test]
async fn import_names_what_is_wrong_with_a_file() {
    let shop = Shop::start();
    let file = shop.folder.path().join("x.csv");
    for (content, part) in [
        ("sku,name,price,currency\n", "there is no column `quantity`"),
        ("sku,name,price,currency,quantity,colour\n", "the column `colour` is not known"),
    ] {
        fs::write(&file, content).unwrap();
        let ran = import(&shop, &file, &[]);
        assert!(ran.code == 2 && ran.err.contains(part), "{ran:?}");
    }
    let missing = import(&shop, &shop.folder.path().join("missing.csv"), &[]);
    assert!(missing.code == 2 && missing.err.contains("missing.csv cannot be read"), "{missing:?}");
    let wrong = shop.run(&[
        "import",
        file.to_str().unwrap(),
        "--url",
        &shop.url,
        "--password",
        "wrong password",
    ]);
    assert_eq!(wrong.code, 2);
}

#[tokio::test]
async fn users_backup_and_check() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 5).await;
    admin.order(&teapot, 2).await.expect(201).unwrap();
    let copy = shop.folder.path().join("copy/holdfast.db");
    fs::create_dir(copy.parent().unwrap()).unwrap();
    let backup = shop.run(&["backup", copy.to_str().unwrap()]);
    assert_eq!(backup.code, 0, "{backup:?}");
    assert_eq!(
        shop.run(&["backup", copy.to_str().unwrap()]).code,
        2,
        "never over a file that is there"
    );
    let check = run(shop.folder.path(), &["check", "--data-dir", "copy"], &[]);
    assert!(
        check.code == 0 && check.out.contains("1 products, 1 orders, 1 reservations"),
        "{check:?}"
    );
    let nowhere = run(shop.folder.path(), &["check", "--data-dir", "nowhere"], &[]);
    assert!(
        nowhere.code == 2 && nowhere.err.contains("there is no shop in nowhere"),
        "{nowhere:?}"
    );
    let no_password = shop.run(&["user", "add", "sam", "--role", "seller"]);
    assert!(
        no_password.code == 2 && no_password.err.contains("standard input has no password"),
        "{no_password:?}"
    );
}

#[test]
fn settings_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |settings: &[(&str, &str)], arguments: &[&str], part: &str| {
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let ran = run(folder.path(), arguments, &settings);
        assert!(ran.code == 2 && ran.err.contains(part), "{part}: {ran:?}");
    };
    refused(&[("HOLDFAST_COLOUR", "blue")], &["config"], "there is no setting HOLDFAST_COLOUR");
    refused(
        &[("PORT", "many")],
        &["config"],
        "environment (PORT): port = \"many\": expected a port",
    );
    refused(&[("DB_CONNECTION_STRING", "oracle://x"), ("PORT", "0")], &["serve"], "not `oracle:`");
    fs::write(folder.path().join("holdfast.toml"), "prot = 1\n").unwrap();
    refused(&[], &["config"], "holdfast.toml: there is no setting `prot`");
    fs::write(folder.path().join("holdfast.toml"), "port = 4000\n").unwrap();
    fs::write(folder.path().join(".env"), "PORT=4001\nEDITOR=vi\n").unwrap();
    let shown = run(folder.path(), &["config"], &[]);
    assert!(
        shown.out.contains("port = \"4001\"") && shown.out.contains("# .env (PORT)"),
        "{shown:?}"
    );
    assert!(!shown.out.contains(ADMIN_PASSWORD), "secrets are hidden");
    fs::write(folder.path().join(".env"), "HOLDFAST_X=1\n").unwrap();
    refused(&[], &["config"], ".env: there is no setting HOLDFAST_X");
}

#[test]
fn files_that_are_no_shop_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let database = data.join("holdfast.db");
    let refused = |part: &str| {
        let ran = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"], &[]);
        assert!(ran.code == 2 && ran.err.contains(part), "{part}: {ran:?}");
    };
    fs::write(&database, "not a database at all, only some text that is long enough to be read as a header, or so it seems").unwrap();
    refused("is not a SQLite database");
    fs::remove_file(&database).unwrap();
    let other = rusqlite::Connection::open(&database).unwrap();
    other
        .execute_batch("CREATE TABLE things (x); INSERT INTO things VALUES (zeroblob(20000))")
        .unwrap();
    drop(other);
    refused("is a database of another program");
    let whole = fs::read(&database).unwrap();
    fs::write(&database, &whole[..8192]).unwrap();
    refused("shorter than its header says");
    fs::remove_file(&database).unwrap();
    let shop_file = rusqlite::Connection::open(&database).unwrap();
    shop_file
        .execute_batch(
            "PRAGMA application_id = 0x486f6c64;
             CREATE TABLE holdfast_migrations (service TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT;
             INSERT INTO holdfast_migrations VALUES ('users', 99);",
        )
        .unwrap();
    drop(shop_file);
    refused("was written by another Holdfast");
}

#[tokio::test]
async fn the_first_password_is_shown_once_and_help_is_worth_reading() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .current_dir(folder.path())
            .env_clear()
            .args(["--listen", "127.0.0.1:0"])
            .stdout(fs::File::create(folder.path().join("out")).unwrap())
            .spawn()
            .unwrap();
        let out = folder.path().join("out");
        async move {
            wait_until(Duration::from_secs(10), "the greeting", || async {
                fs::read_to_string(&out).unwrap().contains("Next")
            })
            .await;
            child.kill().unwrap();
            child.wait().unwrap();
            fs::read_to_string(&out).unwrap()
        }
    };
    let greeting = start().await;
    assert!(
        greeting.contains("Admin    admin / ")
            && greeting.contains("/docs")
            && greeting.contains("/console"),
        "{greeting}"
    );
    assert!(!start().await.contains("Admin"), "once");
    let help = run(folder.path(), &["--help"], &[]).out;
    assert!(
        ["serve", "import", "export", "check", "backup", "config", "openapi"]
            .iter()
            .all(|word| help.contains(word)),
        "{help}"
    );
    assert!(run(folder.path(), &["completions", "bash"], &[]).out.contains("_holdfast"));
}
