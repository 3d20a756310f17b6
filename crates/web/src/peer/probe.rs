//! Finding instances, and finding out which of them are up.

use std::{
    io,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use super::{
    Inner, Peer,
    instance::{Attempt, Health, Instance, Place},
};
use crate::trust::CallContext;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use tokio_rustls::rustls::pki_types::ServerName;

/// Between two probes of an instance that is up.
const CALM: Duration = Duration::from_millis(250);
/// Between two probes of an instance that is not.
const URGENT: Duration = Duration::from_millis(25);
/// How long a probe may take.
const PROBE_TIME: Duration = Duration::from_millis(750);
/// Failures in a row after which what is on its way is given up.
const FAILURES: u32 = 2;
/// Between two resolutions of the targets' names.
const RESOLVE: Duration = Duration::from_secs(2);

/// Looks after the instances until the last clone of the peer is gone.
pub(super) fn begin(peer: &Peer) {
    tokio::spawn(resolve(Arc::downgrade(&peer.0)));
}

async fn resolve(peer: Weak<Inner>) {
    while let Some(inner) = peer.upgrade() {
        let mut addresses = Vec::new();
        for target in &inner.targets {
            match find(&inner, target).await {
                Ok(found) => addresses.extend(found),
                Err(error) => {
                    tracing::warn!(service = inner.name, target, %error, "cannot resolve");
                    // What was found before stays.
                    let instances = inner.instances.read().unwrap_or_else(PoisonError::into_inner);
                    addresses.extend(instances.iter().map(|known| known.place()));
                }
            }
        }
        adopt(&inner, addresses);
        drop(inner);
        tokio::time::sleep(RESOLVE).await;
    }
}

/// The addresses of a target, each with the way to speak there.
async fn find(peer: &Inner, target: &str) -> io::Result<Vec<Place>> {
    let identity = match &peer.tls {
        Some(tls) => {
            let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Some((tls.clone(), ServerName::try_from(host).map_err(io::Error::other)?))
        }
        None => None,
    };
    let found = tokio::net::lookup_host(target).await?;
    Ok(found.map(|address| Place { address, identity: identity.clone() }).collect())
}

/// Keeps the instances that are still named, drops the others, and begins to probe new ones.
fn adopt(inner: &Arc<Inner>, places: Vec<Place>) {
    let mut instances = inner.instances.write().unwrap_or_else(PoisonError::into_inner);
    let mut next: Vec<Arc<Instance>> = Vec::with_capacity(places.len());
    for place in places {
        if next.iter().any(|instance| instance.address() == place.address) {
            continue;
        }
        let before = instances.iter().find(|instance| instance.address() == place.address);
        next.push(before.cloned().unwrap_or_else(|| {
            let instance = Arc::new(Instance::new(place));
            tokio::spawn(watch(Arc::downgrade(inner), Arc::downgrade(&instance)));
            instance
        }));
    }
    *instances = Arc::new(next);
}

/// Probes one instance until it is not named any more.
async fn watch(peer: Weak<Inner>, instance: Weak<Instance>) {
    let mut failures = 0;
    loop {
        let (Some(inner), Some(instance)) = (peer.upgrade(), instance.upgrade()) else { return };
        match probe(&inner, &instance).await {
            Ok(true) => {
                failures = 0;
                if instance.stand(Health::Up) {
                    tracing::info!(service = inner.name, instance = %instance.address(), "is up");
                }
                inner.came_up.notify_waiters();
            }
            Ok(false) => {
                failures = 0;
                instance.stand(Health::Resting);
            }
            Err(why) => {
                failures += 1;
                let health = if failures >= FAILURES { Health::Gone } else { Health::Resting };
                if instance.stand(health) {
                    tracing::warn!(service = inner.name, instance = %instance.address(), why, "does not answer");
                }
            }
        }
        let pause = if instance.is_up() { CALM } else { URGENT };
        drop(inner);
        let suspected = tokio::time::timeout(pause, instance.suspicion.notified()).await.is_ok();
        // A process that has just died needs a moment to be replaced.
        if suspected && failures > 0 {
            tokio::time::sleep(URGENT).await;
        }
    }
}

/// Whether it wants requests; or why it does not answer.
async fn probe(peer: &Inner, instance: &Arc<Instance>) -> Result<bool, String> {
    let request = Request::get("/internal/standing").body(Full::<Bytes>::default());
    let mut request = request.map_err(|error| error.to_string())?;
    CallContext::default().write(request.headers_mut(), &peer.secret);
    match tokio::time::timeout(PROBE_TIME, instance.attempt(request)).await {
        Ok(Attempt::Answered(response)) => Ok(response.status() == StatusCode::NO_CONTENT),
        Ok(Attempt::NotSent(why) | Attempt::Unknown(why)) => Err(why),
        Err(_) => Err(format!("no answer within {PROBE_TIME:?}")),
    }
}
