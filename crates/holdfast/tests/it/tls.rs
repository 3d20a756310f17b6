//! TLS to clients, HTTP/2 within it, and certificates that change while the shop is open.
//! The certificates beside this file were made for these tests and are trusted by nobody.

use std::{fs, path::Path, process::Command, time::Duration};

use holdfast_testkit::PostgresServer;

use crate::shop::{Shop, items, product, run, wait_until};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls");

fn install(folder: &Path, name: &str) {
    fs::copy(format!("{FILES}/{name}.pem"), folder.join("shop.pem")).unwrap();
    fs::copy(format!("{FILES}/{name}-key.pem"), folder.join("shop-key.pem")).unwrap();
}

/// What curl tells of a connection: protocol, status, and the certificate's subject in its remarks.
fn curl(url: &str, protocol: &str) -> String {
    let arguments =
        ["-skv", protocol, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", url];
    let output = Command::new("curl").args(arguments).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn tls_with_http2_and_new_certificates() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "first");
    let (certificate, key) = (folder.path().join("shop.pem"), folder.path().join("shop-key.pem"));
    let shop = Shop::start_as(
        &[],
        &[
            ("HOLDFAST_TLS_CERTIFICATE", certificate.to_str().unwrap()),
            ("HOLDFAST_TLS_KEY", key.to_str().unwrap()),
        ],
    );
    assert!(shop.url.starts_with("https://"));
    let url = format!("{}/livez", shop.url);
    let told = curl(&url, "--http2");
    assert!(told.contains("2 200") && told.contains("CN=first.holdfast.test"), "{told}");
    assert!(curl(&url, "--http1.1").contains("1.1 200"));

    fs::write(&certificate, "no certificate").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(curl(&url, "--http2").contains("CN=first.holdfast.test"), "the one before stays");
    install(folder.path(), "second");
    wait_until(Duration::from_secs(10), "the new certificate is shown", || async {
        curl(&url, "--http2").contains("CN=second.holdfast.test")
    })
    .await;
}

#[test]
fn what_is_no_certificate_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |key: &str| {
        vec![
            ("HOLDFAST_TLS_CERTIFICATE".to_owned(), format!("{FILES}/first.pem")),
            ("HOLDFAST_TLS_KEY".to_owned(), key.to_owned()),
            ("PORT".to_owned(), "0".to_owned()),
        ]
    };
    let missing = run(folder.path(), &[], &settings("nowhere.pem"));
    assert!(missing.code == 2 && missing.err.contains("nowhere.pem"), "{missing:?}");
    let half = run(folder.path(), &[], &settings(""));
    assert!(half.code == 2 && half.err.contains("go together"), "{half:?}");
}

/// PostgreSQL that takes connections with TLS alone: who verifies it, and who does not.
#[test]
fn databases_prove_who_they_are_where_that_is_wanted() {
    let file = |name: &str| Path::new(FILES).join(name);
    let server = PostgresServer::start_with_tls(&file("database.pem"), &file("database-key.pem"));
    let Some(server) = server else { return };
    let authority = file("authority.pem").display().to_string();
    let migrate = |host: &str, query: &str| {
        let url = format!(
            "postgres://holdfast@{host}:{}/postgres?hostaddr=127.0.0.1&{query}",
            server.port()
        );
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &["migrate"], &[("DB_CONNECTION_STRING".to_owned(), url)])
    };
    let (right, wrong) = ("database.holdfast.test", "other.holdfast.test");
    for query in ["", "sslmode=require", &format!("sslmode=verify-full&sslrootcert={authority}")] {
        let ran = migrate(right, query);
        assert_eq!(ran.code, 0, "{query}: {ran:?}");
    }
    std::thread::scope(|scope| {
        let refused = [
            scope.spawn(|| migrate(right, "sslmode=disable")),
            scope.spawn(|| migrate(right, "sslmode=verify-full")),
            scope.spawn(|| migrate(wrong, &format!("sslmode=require&sslrootcert={authority}"))),
            scope.spawn(|| migrate(right, "sslmode=require&sslrootcert=nowhere.pem")),
            scope.spawn(|| migrate(right, "sslmode=perhaps")),
        ];
        for ran in refused {
            let ran = ran.join().unwrap();
            assert!(ran.code == 2 && !ran.err.is_empty(), "{ran:?}");
        }
    });
}

/// Between processes of a shop both sides show a certificate: who has none is not spoken to.
#[tokio::test]
async fn processes_talk_to_nobody_without_a_certificate() {
    let [certificate, key, authority] =
        ["process", "process-key", "internal-authority"].map(|name| format!("{FILES}/{name}.pem"));
    let settings = [
        ("HOLDFAST_INTERNAL_TLS_CERTIFICATE", certificate.as_str()),
        ("HOLDFAST_INTERNAL_TLS_KEY", key.as_str()),
        ("HOLDFAST_INTERNAL_TLS_AUTHORITY", authority.as_str()),
    ];
    let shop = Shop::start_as(&["cluster"], &settings);
    let mut ada = shop.customer("ada").await;
    let tea = shop.seller("sam").await.post("/api/products", &product("Tea", 3)).await;
    let tea = tea.expect(201).unwrap();
    let order = ada.post("/api/orders", &items(&[(&tea, 1)])).await;
    order.expect(201).unwrap();
    let status = shop.run(&["status"]);
    assert!(status.code == 0 && status.out.contains("orders-2"), "{status:?}");

    for slot in shop.slots() {
        let ask = |scheme: &str, arguments: &[&str]| {
            let url = format!("{scheme}://{}/livez", slot.address);
            let told = Command::new("curl").args(["-skv", &url]).args(arguments).output().unwrap();
            let text = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
            (told.status.success(), text)
        };
        let shown = ["--cert", &certificate, "--key", &key];
        let (answered, text) = ask("https", &shown);
        assert!(answered && text.contains("HTTP/1.1 200"), "control: {text}");
        assert!(!text.to_ascii_lowercase().contains("strict-transport-security"), "{text}");
        let strangers = [format!("{FILES}/first.pem"), format!("{FILES}/first-key.pem")];
        for (scheme, arguments) in [
            ("http", &[][..]),
            ("https", &[]),
            ("https", &["--cert", &strangers[0], "--key", &strangers[1]]),
            ("https", &[&shown[..], &["--tls-max", "1.2"]].concat()),
        ] {
            let (answered, text) = ask(scheme, arguments);
            assert!(!answered && !text.contains("200 OK"), "{} {arguments:?}: {text}", slot.name);
        }
    }
}

#[test]
fn half_of_the_files_between_processes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("{FILES}/{name}.pem");
    let settings = |authority: String| {
        vec![
            ("HOLDFAST_INTERNAL_TLS_CERTIFICATE".to_owned(), file("process")),
            ("HOLDFAST_INTERNAL_TLS_KEY".to_owned(), file("process-key")),
            ("HOLDFAST_INTERNAL_TLS_AUTHORITY".to_owned(), authority),
            (
                "HOLDFAST_CLUSTER_SECRET".to_owned(),
                "a-secret-for-the-processes-of-a-test".to_owned(),
            ),
            ("PORT".to_owned(), "0".to_owned()),
        ]
    };
    let half = run(folder.path(), &["serve", "users"], &settings(String::new()));
    assert!(half.code == 2 && half.err.contains("go together"), "{half:?}");
    let key = run(folder.path(), &["serve", "users"], &settings(file("process-key")));
    assert!(key.code == 2 && key.err.contains("process-key.pem: there is no"), "{key:?}");
    let plain = ["serve", "products", "--users", "http://127.0.0.1:1"];
    let plain = run(folder.path(), &plain, &settings(file("internal-authority")));
    assert!(plain.code == 2 && plain.err.contains("https://HOST:PORT"), "{plain:?}");
}

/// What the commands that go to a shop by its address say to one whose certificate nobody vouches for, and to one that is
/// trusted.
#[tokio::test]
async fn export_goes_over_tls() {
    let [certificate, key, authority] =
        ["process", "process-key", "internal-authority"].map(|name| format!("{FILES}/{name}.pem"));
    let settings =
        [("HOLDFAST_TLS_CERTIFICATE", certificate.as_str()), ("HOLDFAST_TLS_KEY", key.as_str())];
    let shop = Shop::start_as(&[], &settings);
    let export = |trusted: &str| {
        let trusted = ("SSL_CERT_FILE".to_owned(), trusted.to_owned());
        run(shop.folder.path(), &["export", "--url", &shop.url], &[trusted])
    };
    let good = export(&authority);
    assert_eq!(good.code, 0, "{good:?}");
    let bad = export(&format!("{FILES}/authority.pem"));
    assert!(bad.code != 0 && bad.err.contains("cannot be reached"), "{bad:?}");
}
