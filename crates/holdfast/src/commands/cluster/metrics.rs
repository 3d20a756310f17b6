//! The metrics of all processes of a cluster on one page, each sample with the process that it is from.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::join_all;
use holdfast_cluster::{SlotState, State};
use holdfast_types::{Result, Sources};
use holdfast_web::{
    Buffers, Envelope, InternalTls, Load, Server, ServerLimits, Trust, with_fallbacks,
};

use super::state_file;
use crate::{config::Config, serve::bind};

/// How long a process may take to tell.
const TIME: Duration = Duration::from_secs(2);

/// Serves them where the settings say, until the supervisor ends.
pub(super) fn serve(config: &Config, secret: String, tls: Option<InternalTls>) -> Result<()> {
    let Some(address) = config.metrics_listen else { return Ok(()) };
    let listener = bind(address)?;
    let (state, secret) = (state_file(config), Arc::<str>::from(secret));
    let page = move || {
        let (state, secret, tls) = (state.clone(), Arc::clone(&secret), tls.clone());
        async move {
            let slots = State::read(&state).unwrap_or_default().slots;
            let asked = slots.iter().map(|slot| ask(slot, &secret, tls.as_ref()));
            let told = join_all(asked).await;
            let known: Vec<_> = slots.iter().map(|slot| slot.name.as_str()).zip(told).collect();
            text(merge(&known))
        }
    };
    let routes = with_fallbacks(Router::new().route("/metrics", get(page)));
    let envelope = Envelope::new(
        routes,
        &[],
        Sources::system(),
        Trust::default(),
        Arc::<Load>::default(),
        Buffers::default(),
    );
    let server = Server::new(ServerLimits::for_peers(), envelope, None);
    tokio::spawn(server.run(listener, std::future::pending()));
    Ok(())
}

fn text(merged: String) -> Response {
    let mut response = merged.into_response();
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

async fn ask(slot: &SlotState, secret: &str, tls: Option<&InternalTls>) -> Option<String> {
    let asked = super::tell(slot, "/internal/metrics", secret, tls);
    let answer = tokio::time::timeout(TIME, asked).await.ok()??;
    if answer.status.is_success() { String::from_utf8(answer.body.into()).ok() } else { None }
}

/// One page out of those of processes; a process that does not answer is not up. All samples of one metric stand together,
/// as the text format wants it.
fn merge(processes: &[(&str, Option<String>)]) -> String {
    let mut families: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut page = String::from("# HELP up Whether the process answers.\n# TYPE up gauge\n");
    for (process, told) in processes {
        page.push_str(&format!("up{{process=\"{process}\"}} {}\n", u8::from(told.is_some())));
        let (mut family, mut comments) = (String::new(), String::new());
        for line in told.iter().flat_map(|told| told.lines()).filter(|line| !line.is_empty()) {
            if line.starts_with("# ") {
                comments.push_str(line);
                comments.push('\n');
                family = line.split(' ').nth(2).unwrap_or_default().to_owned();
                continue;
            }
            let (known, samples) = families.entry(family.clone()).or_default();
            if !comments.is_empty() {
                *known = std::mem::take(&mut comments);
            }
            samples.push_str(&labelled(line, process));
        }
    }
    families.into_values().for_each(|(comments, samples)| page.push_str(&(comments + &samples)));
    page
}

/// A sample with one more label.
fn labelled(line: &str, process: &str) -> String {
    match (line.split_once('{'), line.split_once(' ')) {
        (Some((name, rest)), _) => format!("{name}{{process=\"{process}\",{rest}\n"),
        (None, Some((name, value))) => format!("{name}{{process=\"{process}\"}} {value}\n"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_metric_stand_together() {
        let one = "# TYPE b counter\nb 1\n\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_sum 3\n";
        let two = "# TYPE b counter\nb{x=\"{\"} 4\n";
        let page = merge(&[
            ("users-1", Some(one.to_owned())),
            ("orders-1", Some(two.to_owned())),
            ("orders-2", None),
        ]);
        let expected = "# HELP up Whether the process answers.\n# TYPE up gauge\n\
            up{process=\"users-1\"} 1\nup{process=\"orders-1\"} 1\nup{process=\"orders-2\"} 0\n\
            # TYPE a histogram\na_bucket{process=\"users-1\",le=\"1\"} 2\na_sum{process=\"users-1\"} 3\n\
            # TYPE b counter\nb{process=\"users-1\"} 1\nb{process=\"orders-1\",x=\"{\"} 4\n";
        assert_eq!(page, expected);
    }
}
