//! One connection to a shop: kept alive, HTTP/1.1, with TLS where its address says so, made anew when it breaks.

use std::{
    io,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use holdfast_types::{Code, Error, Result, read_problem};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName},
};

use crate::items::page_of;

/// How long one exchange may take.
const EXCHANGE_TIME: Duration = Duration::from_secs(30);
/// How long a connection may take to come about, with its handshake.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 64 << 20;

/// Servers must show a certificate that this system trusts.
static TRUSTED_BY_SYSTEM: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites of TLS 1.2 and 1.3")
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Arc::new(config)
});

/// A connection to a shop. It sends one request at a time.
#[derive(Debug)]
pub struct Connection {
    url: String,
    /// What must be shown over `https`; what this system trusts where nothing is said.
    tls: Option<Arc<ClientConfig>>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The JSON of an answer with that status; else the problem that the shop answered with, by its code.
    pub fn expect(&self, status: u16) -> Result<Value> {
        match self.status.as_u16() == status {
            true => Ok(self.json()),
            false => Err(self.problem()),
        }
    }

    /// What the shop refuses with, or what its answer is instead.
    #[must_use]
    pub fn problem(&self) -> Error {
        read_problem(&self.body).unwrap_or_else(|| {
            let said = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]).into_owned();
            let why = format!("the shop answered {}: {said}", self.status);
            Error::new(Code::Unavailable, why)
        })
    }
}

impl Connection {
    /// A connection to the shop at `url`, such as `http://127.0.0.1:3000` or `https://shop.example.com`, made at the first request.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), tls: None, sender: None }
    }

    /// The same where whoever answers must show what `tls` asks for.
    #[must_use]
    pub fn with_tls(url: &str, tls: Arc<ClientConfig>) -> Self {
        Self { tls: Some(tls), ..Self::new(url) }
    }

    /// Sends one request and reads the answer, within 30 s; any status is an answer.
    /// Fails with `unavailable` or `timeout` when the connection breaks: whether the shop did it is unknown; and with
    /// `invalid-parameter` where the address of the shop is none.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let place = Place::of(&self.url)
            .map_err(|why| Error::new(Code::InvalidParameter, format!("{}: {why}", self.url)))?;
        let request = request(&place, method, path, headers, body)
            .map_err(|error| Error::new(Code::InvalidParameter, format!("{path}: {error}")))?;
        let exchange = self.exchange(&place, request);
        match tokio::time::timeout(EXCHANGE_TIME, exchange).await {
            Ok(answer) => answer.map_err(|why| {
                let message = format!("{} cannot be reached: {why}", self.url);
                Error::new(Code::Unavailable, message)
            }),
            Err(_) => {
                let message = format!("{} did not answer within 30 seconds", self.url);
                Err(Error::new(Code::Timeout, message))
            }
        }
    }

    async fn exchange(
        &mut self,
        place: &Place,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, String> {
        // Kept again once the answer is here: one that was given up half-way may not be used any more.
        let mut sender = self.take_sender(place).await?;
        let response = sender.send_request(request).await.map_err(words)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(words)?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn take_sender(&mut self, place: &Place) -> Result<SendRequest<Full<Bytes>>, String> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let tls = place.is_tls.then(|| self.tls.clone());
        let tls = tls.map(|own| own.unwrap_or_else(|| Arc::clone(&TRUSTED_BY_SYSTEM)));
        let dialled = tokio::time::timeout(CONNECT_TIME, place.dial(tls)).await;
        dialled.map_err(|_| "no connection within 5 seconds".to_owned())?.map_err(words)
    }

    /// Reads all pages of a list.
    pub async fn read_list(&mut self, path: &str, token: Option<&str>) -> Result<Vec<Value>> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let (mut items, mut next) = (Vec::new(), page_of(path, None));
        loop {
            let mut page =
                self.send(Method::GET, &next, &headers, Bytes::new()).await?.expect(200)?;
            if let Some(more) = page["items"].as_array_mut() {
                items.append(more);
            }
            match page["nextCursor"].as_str() {
                Some(cursor) => next = page_of(path, Some(cursor)),
                None => return Ok(items),
            }
        }
    }
}

fn request(
    place: &Place,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let mut request =
        Request::builder().method(method).uri(path).header(header::HOST, &place.authority);
    let typed = headers.iter().any(|(name, _)| *name == "content-type");
    if !body.is_empty() && !typed {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body))
}

/// Where an address leads.
struct Place {
    authority: String,
    host: String,
    port: u16,
    is_tls: bool,
}

impl Place {
    fn of(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| "it is no address".to_owned())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("an address begins with http:// or https://".to_owned()),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("an address holds no name and no password".to_owned());
        }
        if authority.as_str() != authority.host() && authority.port_u16().is_none() {
            return Err("its port is none, 1 to 65535".to_owned());
        }
        if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("" | "/")) {
            return Err("an address ends with the host, or with its port".to_owned());
        }
        // Addresses of IPv6 stand in brackets.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { authority: authority.as_str().to_owned(), host, port, is_tls })
    }

    async fn dial(&self, tls: Option<Arc<ClientConfig>>) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = tls else { return talk_over(stream).await };
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        talk_over(TlsConnector::from(tls).connect(name, stream).await?).await
    }
}

async fn talk_over<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // How it ended is told to whoever sent the request.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// An error with its causes.
fn words(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> String {
    let error = error.into();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let place = |url: &str| Place::of(url).map(|place| (place.host, place.port, place.is_tls));
        assert_eq!(place("http://127.0.0.1:3000"), Ok(("127.0.0.1".to_owned(), 3000, false)));
        assert_eq!(place("https://shop.example"), Ok(("shop.example".to_owned(), 443, true)));
        assert_eq!(place("http://[::1]:80"), Ok(("::1".to_owned(), 80, false)));
        let wrong = [
            "shop.example",
            "ftp://shop.example",
            "",
            "http://",
            "http://shop.example:99999",
            "http://ada:secret@shop.example",
            "http://shop.example/shop",
        ];
        for wrong in wrong {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
