//! How every process of the shop is, as far as this one can reach it.

use std::time::Duration;

use axum::{extract::State, http::Uri};
use futures_util::future::join_all;
use holdfast_types::Result;
use holdfast_web::{Call, NoQuery, Peer, Reply, auth::Admin, json_reply};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{Health, Status};

/// How long a process may take to say how it is.
const STATUS_TIME: Duration = Duration::from_secs(3);

/// Whether a process should be sent requests.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    /// It takes requests.
    Up,
    /// It finishes what it has begun, or does not know yet whose tokens are good.
    Draining,
    /// It does not answer.
    Silent,
}

/// A process of the shop. Of one that is silent, only its service and its address are known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProcessView {
    state: Standing,
    /// What it serves.
    #[schema(example = json!(["products"]))]
    parts: Vec<String>,
    /// Where others reach it; absent for the process that answers, unless it is told.
    #[schema(example = "127.0.0.1:41000")]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What keeps its databases from taking writes; empty when nothing does.
    problems: Vec<String>,
    /// The id of the process on its machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// The version of the program.
    #[schema(example = "0.1.0")]
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Seconds since it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    /// Requests that it is answering.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<usize>,
    /// Of the answers of the last half minute or minute, 99 in 100 took no longer, in microseconds; absent when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_micros: Option<u64>,
}

/// All processes, by what they serve.
#[derive(Serialize, ToSchema)]
struct Processes {
    items: Vec<ProcessView>,
}

impl ProcessView {
    fn of(status: Status, address: Option<String>) -> Self {
        Self {
            state: if status.wants_requests { Standing::Up } else { Standing::Draining },
            parts: status.parts.split('+').map(str::to_owned).collect(),
            address,
            problems: status.problems,
            pid: Some(status.pid),
            version: Some(status.version),
            uptime_seconds: Some(status.uptime_seconds),
            in_flight: Some(status.in_flight),
            p99_micros: status.p99_micros,
        }
    }

    fn silent(part: &str, address: String) -> Self {
        Self {
            state: Standing::Silent,
            parts: vec![part.to_owned()],
            address: Some(address),
            problems: Vec::new(),
            pid: None,
            version: None,
            uptime_seconds: None,
            in_flight: None,
            p99_micros: None,
        }
    }
}

/// How every process of the shop is: the one that answers, those of all services, and the other gateways where it is told where
/// they are; for administrators. Asked of each within 3 s.
#[utoipa::path(get, path = "/api/processes", tag = "system", security(("bearer" = [])),
    responses((status = 200, body = Processes)), extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_processes(
    State(health): State<Health>,
    _admin: Admin,
    _: NoQuery,
) -> Reply {
    let asked = health.all_peers().map(|peer| ask(peer, Instant::now() + STATUS_TIME));
    let (own, told) = tokio::join!(health.status(), join_all(asked));
    let told = told.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten();
    json_reply(200, &Processes { items: views(own, told) })
}

/// What a process of a service said, and where it is; nothing where it said nothing.
type Told = (&'static str, String, Option<Status>);

/// Each process once, however many ways lead to it.
fn views(own: Status, told: impl IntoIterator<Item = Told>) -> Vec<ProcessView> {
    let (own_id, mut known) = (own.process, vec![ProcessView::of(own, None)]);
    let mut silent: Vec<ProcessView> = Vec::new();
    for (part, address, status) in told {
        let is_there = |view: &ProcessView| view.address.as_ref() == Some(&address);
        match status {
            Some(status) if status.process == own_id => {
                known[0] = ProcessView::of(status, Some(address));
            }
            Some(_) if known.iter().any(is_there) => {}
            Some(status) => known.push(ProcessView::of(status, Some(address))),
            None => match silent.iter_mut().find(|view| is_there(view)) {
                Some(view) => view.parts.push(part.to_owned()),
                None => silent.push(ProcessView::silent(part, address)),
            },
        }
    }
    // One that answered for one service is not silent for another.
    silent.retain(|view| known.iter().all(|other| other.address != view.address));
    known.append(&mut silent);
    known.sort_by(|one, other| (&one.parts, &one.address).cmp(&(&other.parts, &other.address)));
    known
}

/// What each process of a service says, and where it is.
async fn ask(peer: &Peer, deadline: Instant) -> Result<Vec<Told>> {
    let call = Call::get(Uri::from_static("/internal/status"));
    let answers = peer.ask_each(&call, deadline).await?.into_iter();
    let told = answers.map(|(address, answer)| {
        let status = answer.and_then(|answer| serde_json::from_slice(answer.body()).ok());
        (peer.name(), address.to_string(), status)
    });
    Ok(told.collect())
}
