//! Calling another HTTP server: the one place that dials.

use std::{io, net::SocketAddr, time::Duration};

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use holdfast_types::{Code, Error, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{InternalTls, tls};

/// How long a call may take.
const CALL_TIME: Duration = Duration::from_secs(30);
/// How long a connection may take to come about.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 16 << 20;

/// Opens a connection to a peer.
pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A pooled HTTP/1.1 client for one server.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    pool: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub struct Exchange {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Client {
    /// A client for the server at `base`, such as `http://127.0.0.1:3000`. Over `https` it must show a certificate that
    /// this system trusts.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let is_tls = base.starts_with("https:");
        let trusted = if is_tls { tls::trusted_by_system() } else { RootCertStore::empty() };
        Self::with(base, tls::dialer(trusted))
    }

    /// A client for another process of this shop.
    #[must_use]
    pub fn of_process(address: SocketAddr, tls: Option<&InternalTls>) -> Self {
        match tls {
            Some(tls) => Self::with(&format!("https://{address}"), tls.dialer()),
            None => Self::new(&format!("http://{address}")),
        }
    }

    fn with(base: &str, tls: ClientConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = builder.enable_http1().wrap_connector(connector);
        let pool = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { base: base.trim_end_matches('/').to_owned(), pool }
    }

    /// Sends one request with a JSON body (or none) and reads the answer, within 30 s.
    /// Fails with `unavailable` when no answer comes; any status is an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Exchange> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.unavailable(&error))?;
        let call = async {
            let response =
                self.pool.request(request).await.map_err(|error| self.unavailable(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| self.unavailable(&*error))?;
            Ok(Exchange { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let late = |_| {
            Error::new(Code::Timeout, format!("{} did not answer within 30 seconds", self.base))
        };
        tokio::time::timeout(CALL_TIME, call).await.map_err(late)?
    }

    fn unavailable(&self, error: &dyn std::error::Error) -> Error {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Error::new(Code::Unavailable, format!("{} cannot be reached", self.base)).with_source(text)
    }
}
