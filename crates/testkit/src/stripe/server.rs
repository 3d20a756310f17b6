//! The double on the wire.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Bytes, Incoming},
    header::{self, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::{
    exchange::{Ask, Reply},
    params::Params,
    service::{API_VERSION, Service},
};

/// Bytes of a request's body.
const BODY_BYTES: usize = 1 << 20;
/// How long to wait when no connection can be taken.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves until it is dropped, and its connections with it.
pub(super) async fn serve(listener: TcpListener, service: Arc<Service>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&service)));
                }
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers what comes over one connection. An error of the service closes it without an answer.
async fn converse(stream: TcpStream, service: Arc<Service>) {
    let answer = service_fn(move |request| answer(request, Arc::clone(&service)));
    let mut server = http1::Builder::new();
    let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(
    request: Request<Incoming>,
    service: Arc<Service>,
) -> io::Result<Response<Full<Bytes>>> {
    let ask = read(request).await?;
    // A client that hangs up does not undo what it has asked for.
    let work = tokio::spawn(async move {
        let reply = service.reply(&ask).await;
        (reply, ask)
    });
    let (reply, ask) = work.await.map_err(io::Error::other)?;
    let reply = reply.ok_or_else(|| io::Error::other("lost, as told"))?;
    Ok(write(&reply, &ask))
}

async fn read(request: Request<Incoming>) -> io::Result<Ask> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES).collect().await.map_err(io::Error::other)?;
    let body = body.to_bytes().to_vec();
    let is_post = parts.method == Method::POST;
    let query = parts.uri.query().unwrap_or_default();
    let form = if is_post { body.as_slice() } else { query.as_bytes() };
    Ok(Ask {
        is_post,
        path: parts.uri.path().to_owned(),
        params: Params::parse(form),
        authorization: text(&parts.headers, "authorization"),
        idempotency_key: text(&parts.headers, "idempotency-key"),
        version: text(&parts.headers, "stripe-version"),
        body,
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn write(reply: &Reply, ask: &Ask) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body.to_string().into()));
    *response.status_mut() = reply.status.try_into().expect("replies have statuses of HTTP");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if reply.status == 401 {
        headers
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Stripe\""));
    }
    let version = ask.version.as_deref().unwrap_or(API_VERSION);
    let request_id = (!reply.request_id.is_empty()).then_some(reply.request_id.as_str());
    let named = [
        ("idempotency-key", ask.idempotency_key.as_deref()),
        ("idempotent-replayed", reply.is_replay.then_some("true")),
        ("original-request", request_id.filter(|_| ask.idempotency_key.is_some())),
        ("request-id", request_id),
        (
            "stripe-should-retry",
            reply.should_retry.map(|retry| if retry { "true" } else { "false" }),
        ),
        ("stripe-version", Some(version)),
    ];
    let present = named.map(|(name, text)| Some((name, HeaderValue::from_str(text?).ok()?)));
    for (name, value) in present.into_iter().flatten() {
        headers.insert(HeaderName::from_static(name), value);
    }
    response
}
