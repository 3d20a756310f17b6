//! One request and its answer.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName},
};

use crate::target::{Target, not_of_the_world};

/// How long a connection to one address may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const ADDRESSES: usize = 4;
/// Names that are resolved at once.
const LOOKUPS: usize = 64;
/// Bytes of an answer that are read, and how long: what is left of it matters to nobody.
const ANSWER_BYTES: usize = 1024;
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Bytes of the head of an answer.
const HEAD_BYTES: usize = 16 << 10;

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

/// Asks others. Clones share its bounds.
#[derive(Clone, Debug)]
pub struct Outbound {
    time: Duration,
    lookups: Arc<Semaphore>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// When it asks to be asked again (RFC 9110, §10.2.3), as it says so.
    pub retry_after: Option<String>,
    /// The first KiB of the body, as far as it came.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may not be asked.
    Refused(String),
    /// It cannot be reached, or breaks off.
    Unreachable(String),
    /// It did not answer in time.
    Timeout(Duration),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Unreachable(why) => f.write_str(why),
            Self::Timeout(time) => write!(f, "no answer within {} s", time.as_secs()),
        }
    }
}

impl Outbound {
    /// One whose requests take as long as that at most, from the name to the answer.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self { time, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// Refuses a target whose name stands for an address that is not of the world by now. A name that nobody knows passes.
    pub async fn probe(&self, target: &Target, limit: Duration) -> Result<(), String> {
        match timeout(limit, self.resolve(target)).await {
            Ok(Err(Failure::Refused(why))) => Err(why),
            _ => Ok(()),
        }
    }

    /// Posts `body`. Whatever is answered is an answer, a redirect too.
    pub async fn post(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let exchange = async {
            let addresses = self.resolve(target).await?;
            let (mut sender, _connection) =
                connect(target, &addresses).await.map_err(Failure::Unreachable)?;
            let request = request(target, headers, body).map_err(unreachable)?;
            let (head, body) =
                sender.send_request(request).await.map_err(unreachable)?.into_parts();
            let retry_after = head.headers.get(header::RETRY_AFTER);
            let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
            Ok(Answer { status: head.status.as_u16(), retry_after, body: beginning(body).await })
        };
        timeout(self.time, exchange).await.unwrap_or(Err(Failure::Timeout(self.time)))
    }

    /// The addresses of a target, all of which may be asked.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let (host, port) = (target.host(), target.port());
        let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => {
                let turn = Arc::clone(&self.lookups).acquire_owned().await.map_err(unreachable)?;
                let name = host.to_owned();
                // It takes a thread until it has ended, whoever still waits for it.
                let lookup = tokio::spawn(async move {
                    let found = lookup_host((name.as_str(), port)).await.map(Iterator::collect);
                    drop(turn);
                    found
                });
                let found: io::Result<Vec<SocketAddr>> = lookup.await.map_err(unreachable)?;
                found.map_err(|error| unreachable(format!("{host}: {error}")))?
            }
        };
        if addresses.iter().any(|address| !target.allows(address.ip())) {
            return Err(Failure::Refused(not_of_the_world(host)));
        }
        match addresses.is_empty() {
            true => Err(Failure::Unreachable(format!("{host} has no address"))),
            false => Ok(addresses),
        }
    }
}

/// A connection, and the way to send a request over it.
type Open = (SendRequest<Full<Bytes>>, Connection);

/// The task of a connection; it ends with this, whatever the other side does.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection to the first of the addresses that takes one.
async fn connect(target: &Target, addresses: &[SocketAddr]) -> Result<Open, String> {
    let mut why = String::new();
    for address in addresses.iter().take(ADDRESSES) {
        match timeout(CONNECT_TIME, dial(target, *address)).await {
            Ok(Ok(sender)) => return Ok(sender),
            Ok(Err(error)) => why = words(error),
            Err(_) => why = format!("no connection within {} s", CONNECT_TIME.as_secs()),
        }
    }
    Err(why)
}

async fn dial(target: &Target, address: SocketAddr) -> io::Result<Open> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    if !target.is_tls() {
        return talk_over(stream).await;
    }
    let name = ServerName::try_from(target.host().to_owned()).map_err(io::Error::other)?;
    let tls = TlsConnector::from(Arc::clone(&TRUSTED_BY_SYSTEM));
    talk_over(tls.connect(name, stream).await?).await
}

async fn talk_over<S>(stream: S) -> io::Result<Open>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(io::Error::other)?;
    // How it ended is told to whoever sent the request.
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok((sender, Connection(task)))
}

fn request(
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
) -> hyper::http::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(target.path_and_query())
        .header(header::HOST, target.authority())
        .body(Full::new(body))?;
    request.headers_mut().extend(headers);
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// The first KiB of a body, or as much of it as comes within a second.
async fn beginning(mut body: Incoming) -> Bytes {
    let mut read = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            read.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
            if read.len() >= ANSWER_BYTES {
                break;
            }
        }
    };
    let _ = timeout(ANSWER_TIME, reading).await;
    read.truncate(ANSWER_BYTES);
    read.into()
}

fn unreachable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::Unreachable(words(error))
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
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::Policy;

    /// Answers one request with these bytes, and says what was asked.
    async fn server(answer: String) -> (u16, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 64 << 10];
            let count = stream.read(&mut asked).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            asked.truncate(count);
            // Whoever asked may go; else the answer stays unfinished for a while.
            let _ = timeout(Duration::from_secs(3), stream.read(&mut [0; 1])).await;
            String::from_utf8(asked).unwrap()
        });
        (port, served)
    }

    fn target(url: &str, port: u16) -> Target {
        let allowed = format!("localhost:{port}").parse().unwrap();
        let policy = Policy { allowed_hosts: vec![allowed], ..Policy::default() };
        policy.check(url).unwrap()
    }

    async fn ask(answer: &str) -> (Result<Answer, Failure>, String) {
        let (port, served) = server(answer.to_owned()).await;
        let target = target(&format!("http://localhost:{port}/hook?x=1"), port);
        let outbound = Outbound::new(Duration::from_secs(2));
        let answer = outbound.post(&target, HeaderMap::new(), Bytes::from_static(b"{}")).await;
        (answer, served.await.unwrap())
    }

    #[tokio::test]
    async fn an_answer_is_what_was_answered() {
        let (answer, asked) =
            ask("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno").await;
        let expected = Answer {
            status: 503,
            retry_after: Some("7".to_owned()),
            body: Bytes::from_static(b"no"),
        };
        assert_eq!(answer.unwrap(), expected);
        assert!(asked.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("host: localhost:") && asked.ends_with("\r\n\r\n{}"), "{asked}");
    }

    #[tokio::test]
    async fn nothing_follows_a_redirect() {
        let (answer, _) =
            ask("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
                .await;
        assert_eq!(answer.unwrap().status, 302);
    }

    #[tokio::test]
    async fn of_an_answer_a_kibibyte_is_read_and_not_for_long() {
        let body = "x".repeat(1 << 20);
        let (answer, _) =
            ask(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        assert_eq!(answer.unwrap().body.len(), 1024);
        let (answer, _) = ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
        assert_eq!(answer.unwrap().body, "half");
    }

    #[tokio::test]
    async fn who_does_not_answer_has_a_deadline() {
        let (answer, _) = ask("HTTP/1.1 20").await;
        assert_eq!(answer.unwrap_err(), Failure::Timeout(Duration::from_secs(2)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let target = target(&format!("http://localhost:{port}/"), port);
        let outbound = Outbound::new(Duration::from_secs(2));
        let answer = outbound.post(&target, HeaderMap::new(), Bytes::new()).await;
        assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
    }

    /// A name passes until it stands for what is not the world's. `localhost` stands for such a name here: what is refused by
    /// its name is let through on purpose.
    #[tokio::test]
    async fn what_a_name_stands_for_is_judged_at_each_request() {
        let (port, served) = server(String::new()).await;
        let mut target = target(&format!("http://localhost:{port}/"), port);
        target.forget_permission();
        let outbound = Outbound::new(Duration::from_secs(2));
        let answer = outbound.post(&target, HeaderMap::new(), Bytes::new()).await;
        assert!(matches!(&answer, Err(Failure::Refused(_))), "{answer:?}");
        assert!(outbound.probe(&target, Duration::from_secs(2)).await.is_err());
        assert!(!served.is_finished(), "nobody was asked");
        served.abort();
    }
}
