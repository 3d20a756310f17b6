//! Attacks that take a detour: through time, through names that stand for something else, through files.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, time::Duration};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::{dial, say};
use crate::shop::{PASSWORD, Shop, run};

/// Rights are looked at again when a body took its time.
#[tokio::test]
async fn who_is_shut_out_while_a_body_comes_stays_out() {
    let shop = Shop::start();
    let (mut admin, seller) = (shop.admin().await, shop.seller("sally").await);
    let token = seller.token.clone().unwrap();
    let body = json!({"name": "Tea", "price": {"amount": 1, "currency": "EUR"}, "quantity": 1})
        .to_string();
    let mut stream = dial(&shop);
    let head = format!(
        "POST /api/products HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..5]).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let path = format!("/api/users/{}", seller.id);
    let user = admin.get(&path).await.expect(200).unwrap();
    let change = json!({"version": user["version"], "disabled": true});
    admin.patch(&path, &change).await.expect(200).unwrap();
    // Other processes learn of it within five seconds.
    tokio::time::sleep(Duration::from_secs(5)).await;
    stream.write_all(&body.as_bytes()[5..]).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

/// The id of an account is public where it sells, and is no name to guess at its password with.
#[tokio::test]
async fn an_id_as_a_name_shuts_nobody_out() {
    let shop = Shop::start_with(&[("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1")]);
    let mut ada = shop.customer("ada").await;
    let guess = json!({"username": ada.id, "password": "wrong passphrase"}).to_string();
    let mut attacker = shop.anybody();
    for number in 0..120 {
        let address = format!("198.51.100.{}", number / 10);
        let from = [("x-forwarded-for", address.as_str())];
        attacker.send("POST", "/api/users/login", &from, &guess).await;
    }
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another fine passphrase"});
    ada.put("/api/users/me/password", &change).await.expect(204).unwrap();
}

/// The hop that our own proxy has written counts, whatever a stranger has put before it.
#[tokio::test]
async fn hops_that_nobody_can_read_hide_nobody() {
    let settings =
        [("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1"), ("HOLDFAST_REGISTRATIONS_LIMIT", "1/1h")];
    let shop = Shop::start_with(&settings);
    let mut statuses = Vec::new();
    for (number, hops) in
        ["5.5.5.5", "\u{ff}, 5.5.5.5", "x,5.5.5.5:4711", "6.6.6.6"].iter().enumerate()
    {
        let body = json!({"username": format!("user-{number}"), "password": PASSWORD}).to_string();
        let hops: Vec<u8> = hops.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let mut request = b"POST /api/users/register HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\nx-forwarded-for: ".to_vec();
        request.extend(hops);
        request.extend(format!("\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes());
        statuses.push(say(&shop, &request).0[9..12].to_owned());
    }
    assert_eq!(statuses, ["201", "429", "429", "201"]);
}

/// A flood of refusals does not push an administrator's deeds out of the log.
#[tokio::test]
async fn a_flood_of_refusals_hides_no_deed() {
    let shop = Shop::start();
    let (mut admin, ada) = (shop.admin().await, shop.customer("ada").await);
    let mut stranger = shop.anybody();
    stranger.token = Some("nonsense".to_owned());
    for _ in 0..800 {
        stranger.get("/api/orders").await.expect(401).unwrap();
    }
    let path = format!("/api/users/{}", ada.id);
    admin.patch(&path, &json!({"version": 1, "role": "seller"})).await.expect(200).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    if shop.slots().is_empty() {
        let log = shop.log();
        assert!(log.contains("authz_change") && log.matches("authz_fail").count() <= 620);
    }
}

/// A repeat of somebody else's registration is a guess at the password, and counts as one.
#[tokio::test]
async fn repeated_registrations_are_guesses() {
    let shop = Shop::start_with(&[("HOLDFAST_REGISTRATIONS_LIMIT", "1000/1h")]);
    let mut anybody = shop.anybody();
    let body = |password: &str| json!({"username": "ada", "password": password});
    let path = "/api/users/register";
    anybody.post_under("known", path, &body(PASSWORD)).await.expect(201).unwrap();
    let mut statuses = Vec::new();
    for number in 0..15 {
        let guess = body(&format!("wrong passphrase {number}"));
        statuses.push(anybody.post_under("known", path, &guess).await.status.as_u16());
    }
    assert_eq!(statuses, [vec![422; 10], vec![429; 5]].concat());
}

/// One operation is one, however its path is spelled.
#[tokio::test]
async fn a_key_knows_its_path_in_every_spelling() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 10).await;
    let id = tea["id"].as_str().unwrap();
    let first = format!("%{:02x}{}", id.as_bytes()[0], &id[1..]);
    for spelling in [id.to_owned(), id.to_uppercase(), first] {
        let path = format!("/api/products/{spelling}/stock");
        let body = json!({"delta": 5, "reason": "delivery"});
        admin.post_under("once", &path, &body).await.expect(200).unwrap();
    }
    assert_eq!(admin.stock(&tea).await, (15, 0));
}

/// Files that grow when they are read take no memory with them.
#[tokio::test]
async fn files_that_swell_are_refused() {
    let shop = Shop::start();
    let long = "x".repeat(40 << 20);
    for (name, text, arguments) in [
        (
            "dump",
            format!("{{\"holdfast\":{{\"format\":1,\"version\":\"{long}\"}}}}\n"),
            vec!["restore"],
        ),
        (
            "rows.csv",
            format!("sku,name,price,currency,quantity\nA,{long},1,EUR,1\n"),
            vec!["import", "--password", crate::shop::ADMIN_PASSWORD, "--url", shop.url.as_str()],
        ),
    ] {
        let file = shop.folder.path().join(name);
        let mut zipped = GzEncoder::new(fs::File::create(&file).unwrap(), Compression::fast());
        zipped.write_all(text.as_bytes()).unwrap();
        zipped.finish().unwrap();
        let arguments = [arguments, vec![file.to_str().unwrap()]].concat();
        let ran = run(shop.folder.path(), &arguments, &[]);
        assert!(ran.code == 2 && ran.err.contains("longer than 16 MiB"), "{ran:?}");
    }
}

/// Settings are those of this folder, and a cluster's secret that others could read is none any more.
#[tokio::test]
async fn settings_of_other_people_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "HOLDFAST_ISSUER=somebody-else\n").unwrap();
    let inner = folder.path().join("shop");
    fs::create_dir(&inner).unwrap();
    let ran = run(&inner, &["config"], &[]);
    assert!(ran.code == 0 && !ran.out.contains("somebody-else"), "{ran:?}");

    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let secret = data.join("cluster-secret");
    let known = "0".repeat(64);
    fs::write(&secret, &known).unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
    let settings = [("HOLDFAST_DATA_DIR", data.to_str().unwrap()), ("HOLDFAST_RATE_LIMITS", "off")];
    let shop = Shop::start_as(&["cluster"], &settings);
    let state = holdfast_cluster::State::read(&data.join("cluster.json")).unwrap();
    let (now, mode) =
        (fs::read_to_string(&secret), fs::metadata(&secret).unwrap().permissions().mode());
    assert!(now.is_ok_and(|now| now != known) && mode & 0o077 == 0, "{mode:o}");
    drop(shop);
    for slot in state.slots.iter().filter(|slot| slot.pid != 0) {
        let _ = std::process::Command::new("kill").args(["-9", &slot.pid.to_string()]).output();
    }
}
