//! What a supervisor does for its processes: starts them again however often they die, tells each only what it must know, and
//! shows what all of them have counted.

use std::{net::TcpListener, time::Duration};

use holdfast_drill::load::Repeat;
use tokio::time::Instant;

use crate::{
    cluster::{Load, SERVICES, assert_nothing_failed, cluster, cluster_of_with, signal, slots_of},
    shop::{ADMIN_PASSWORD, Shop, wait_until},
};

/// However short lives are: a process that has answered once is started again at once.
#[tokio::test(flavor = "multi_thread")]
async fn frequent_kills_are_no_outage() {
    let shop = cluster().await;
    let load = Load::begin(&shop, &shop.url, Repeat::SameKey).await;
    let until = Instant::now() + Duration::from_secs(20);
    for kill in 0.. {
        let services = slots_of(&shop, "orders");
        signal("-9", &services[kill % services.len()]);
        tokio::time::sleep(Duration::from_millis(500)).await;
        if Instant::now() > until {
            break;
        }
    }
    let (outcome, verdict) = load.end(&shop).await;
    let longest = Duration::from_micros(*outcome.latencies.last().unwrap());
    println!("the longest order took {longest:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert_nothing_failed(&shop, &outcome, &verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_all_services_at_once_lets_requests_wait() {
    let shop = cluster().await;
    let load = Load::begin(&shop, &shop.url, Repeat::Never).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let services = SERVICES.iter().flat_map(|part| slots_of(&shop, part));
        services.for_each(|slot| signal("-9", &slot));
    }
    let (outcome, verdict) = load.end(&shop).await;
    assert_nothing_failed(&shop, &outcome, &verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_do_not_stand_in_environments_or_arguments() {
    let shop = cluster().await;
    shop.admin().await;
    let secret = std::fs::read_to_string(shop.data().join("cluster-secret")).unwrap();
    for slot in shop.slots() {
        for file in ["environ", "cmdline"] {
            let bytes = std::fs::read(format!("/proc/{}/{file}", slot.pid)).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&secret) && !text.contains(ADMIN_PASSWORD), "{}", slot.name);
            assert!(text.to_ascii_lowercase().contains("holdfast"), "the control: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_of_all_processes_are_on_one_page() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let shop = cluster_of_with(&["cluster"], &[("HOLDFAST_METRICS_LISTEN", &free)]).await;
    shop.admin().await;
    let elsewhere = Shop::elsewhere(&format!("http://{free}"));
    let page = elsewhere.anybody().get("/metrics").await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    for slot in shop.slots() {
        let name = &slot.name;
        assert!(page.contains(&format!("up{{process=\"{name}\"}} 1")), "{name} is missing: {page}");
    }
    assert!(page.contains("http_request_duration_seconds_count{process=\"users-1\","), "{page}");
    assert_eq!(page.matches("# HELP http_request_duration_seconds ").count(), 1);
    promtool_accepts(&page);

    let users = slots_of(&shop, "users")[0].clone();
    signal("-9", &users);
    wait_until(Duration::from_secs(10), "its successor counts", || async {
        let page = elsewhere.anybody().get("/metrics").await;
        String::from_utf8_lossy(&page.body).contains("up{process=\"users-1\"} 1")
    })
    .await;
}

/// Where `promtool` is installed.
#[expect(clippy::print_stdout, reason = "what is not checked is said aloud")]
fn promtool_accepts(page: &str) {
    use std::io::Write;
    let mut promtool = std::process::Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(std::process::Stdio::piped());
    let Ok(mut child) = promtool.stdout(std::process::Stdio::piped()).spawn() else {
        println!("!!! NOT CHECKED: promtool is not installed !!!");
        return;
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}
