//! Where secrets lie, and what a start refuses: short secrets, files that everybody can read, old TLS.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use crate::shop::{ADMIN_PASSWORD, Shop, engine, run};

/// `holdfast ARGUMENTS` with settings, on a folder of its own.
fn refusal(arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec![("PORT".to_owned(), "0".to_owned())];
    all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let ran = run(folder.path(), arguments, &all);
    assert_eq!(ran.code, 2, "{arguments:?} {settings:?}: {ran:?}");
    for (_, secret) in settings.iter().filter(|(name, _)| name.contains("SECRET")) {
        assert!(!ran.err.contains(secret), "the secret is in the refusal: {ran:?}");
    }
    ran.err
}

#[test]
fn weak_secrets_are_refused_at_the_start() {
    let short = refusal(
        &["serve", "orders", "--products", "http://127.0.0.1:1", "--users", "http://127.0.0.1:1"],
        &[("HOLDFAST_CLUSTER_SECRET", "too-short")],
    );
    assert!(short.contains("at least 32"), "{short}");
    let none = refusal(
        &["serve", "orders", "--products", "http://127.0.0.1:1", "--users", "http://127.0.0.1:1"],
        &[],
    );
    assert!(none.contains("HOLDFAST_CLUSTER_SECRET"), "{none}");
    let cluster = refusal(&["cluster"], &[("HOLDFAST_CLUSTER_SECRET", "too-short")]);
    assert!(cluster.contains("at least 32"), "{cluster}");
    for password in ["short", "password", "12345678"] {
        refusal(&[], &[("HOLDFAST_ADMIN_PASSWORD", password)]);
    }
}

#[test]
fn files_with_secrets_are_for_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("PORT".to_owned(), "0".to_owned())];
    let file = folder.path().join(".env");
    for (name, text) in [
        (".env", format!("HOLDFAST_ADMIN_PASSWORD='{ADMIN_PASSWORD}'\n")),
        (".env", "DB_CONNECTION_STRING=postgres://shop:sesame@127.0.0.1:1/shop\n".to_owned()),
        ("holdfast.toml", "cluster_secret = \"01234567890123456789012345678901\"\n".to_owned()),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.env_clear().envs(settings.iter().cloned()).current_dir(folder.path());
        let output = command.arg("serve").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("chmod 600 {name}")) && !told.contains("sesame"), "{told}");
        fs::remove_file(&file).unwrap();
    }
    assert!(!file.exists());
    let ignored = include_str!("../../../../../.gitignore");
    assert!(ignored.lines().any(|line| line == ".env"));
}

/// Whatever the shop makes is for its owner alone, and a database that was opened to all is closed again.
#[tokio::test]
async fn what_the_shop_makes_is_for_its_owner() {
    let mut shop = Shop::start();
    shop.customer("ada").await;
    if engine() != holdfast_testkit::Engine::Sqlite {
        return;
    }
    let (backup, dump) = (shop.folder.path().join("backup"), shop.folder.path().join("dump"));
    assert_eq!(shop.run(&["backup", backup.to_str().unwrap()]).code, 0);
    assert_eq!(shop.run(&["export", "--all", dump.to_str().unwrap()]).code, 0);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&shop.data()), 0o700);
    let made = fs::read_dir(shop.data()).unwrap().map(|entry| entry.unwrap().path());
    for file in made.chain([backup, dump]).filter(|path| path.is_file()) {
        // Who runs where is no secret, and the folder is closed.
        if file.file_name().is_some_and(|name| name != "cluster.json") {
            assert_eq!(mode(&file) & 0o077, 0, "{}", file.display());
        }
    }
    if shop.slots().is_empty() {
        let database = shop.data().join("holdfast.db");
        shop.kill();
        fs::set_permissions(&database, PermissionsExt::from_mode(0o666)).unwrap();
        shop.start_again();
        assert_eq!(mode(&database) & 0o007, 0);
    }
}

/// Processes do not carry secrets where `ps` and `/proc` show them, and metrics know none.
#[tokio::test]
async fn processes_show_no_secrets() {
    let secret = "canary-of-the-cluster-0123456789";
    let settings = [("HOLDFAST_CLUSTER_SECRET", secret), ("HOLDFAST_RATE_LIMITS", "off")];
    let shop = Shop::start_with(&settings);
    let mut admin = shop.admin().await;
    let metrics = admin.get("/metrics").await;
    let told = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.status == 200 && !told.contains(secret) && !told.contains(ADMIN_PASSWORD));
    for slot in shop.slots().iter().filter(|slot| slot.pid != 0) {
        for file in ["environ", "cmdline"] {
            let shown = fs::read(format!("/proc/{}/{file}", slot.pid)).unwrap();
            let shown = String::from_utf8_lossy(&shown).into_owned();
            assert!(!shown.contains(secret) && !shown.contains(ADMIN_PASSWORD), "{}", slot.name);
        }
    }
}

/// A ClientHello (RFC 5246 §7.4.1.2) of `version` with these cipher suites, and what the shop says first: the type of its
/// record, and the alert if it is one.
fn hello(shop: &Shop, version: [u8; 2], suites: &[u16]) -> (u8, Option<u8>) {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    // Groups, point formats and signature algorithms that every server of today knows.
    let extensions: [&[u8]; 3] = [
        &[0, 10, 0, 6, 0, 4, 0, 29, 0, 23],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 12, 0, 10, 4, 3, 8, 4, 4, 1, 8, 7, 2, 1],
    ];
    let extensions = extensions.concat();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let body = [
        &version,
        [7; 32].as_slice(),
        &[0],
        &length(&suites),
        &suites,
        &[1, 0],
        &length(&extensions),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0], length(&body).as_slice(), &body].concat();
    let record = [&[22, 3, 1], length(&message).as_slice(), &message].concat();
    let mut stream = TcpStream::connect(shop.url.trim_start_matches("https://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(&record).unwrap();
    let mut said = [0; 7];
    stream.read_exact(&mut said).unwrap();
    (said[0], (said[0] == 21).then_some(said[6]))
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
/// `TLS_ECDHE_{ECDSA,RSA}_WITH_AES_128_GCM_SHA256`.
const GOOD: [u16; 2] = [0xc02b, 0xc02f];
/// RC4, 3DES, NULL, export and CBC with static RSA.
const WEAK: [u16; 7] = [0x0005, 0x000a, 0x0002, 0x0003, 0x002f, 0xc007, 0xc012];

/// RFC 8996: TLS 1.0 and 1.1 are over, and so are the ciphers of their time (RFC 9325 §4.1).
#[test]
fn old_tls_is_refused() {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls");
    let (certificate, key) = (format!("{files}/first.pem"), format!("{files}/first-key.pem"));
    let settings =
        [("HOLDFAST_TLS_CERTIFICATE", certificate.as_str()), ("HOLDFAST_TLS_KEY", key.as_str())];
    let shop = Shop::start_as(&[], &settings);
    for version in [[3, 0], [3, 1], [3, 2]] {
        assert_eq!(hello(&shop, version, &GOOD), (ALERT, Some(PROTOCOL_VERSION)), "{version:?}");
    }
    assert_eq!(hello(&shop, [3, 3], &WEAK), (ALERT, Some(HANDSHAKE_FAILURE)));
    assert_eq!(hello(&shop, [3, 3], &GOOD), (HANDSHAKE, None), "control: TLS 1.2 is spoken");
}
