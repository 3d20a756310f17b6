//! One client of the shop: a kept-alive HTTP/1.1 connection that is made anew when it breaks.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::Result;

/// How long one exchange may take.
const EXCHANGE_TIME: Duration = Duration::from_secs(30);

/// A client. It sends one request at a time.
#[derive(Debug)]
pub struct Connection {
    authority: String,
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

    /// The JSON of an answer with that status; else what the shop said instead.
    pub fn expect(&self, status: u16) -> Result<Value> {
        match self.status.as_u16() == status {
            true => Ok(self.json()),
            false => Err(format!(
                "the shop answered {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )),
        }
    }
}

impl Connection {
    /// A client of the shop at `url`, such as `http://127.0.0.1:3000`; connects at the first request.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let authority = url.trim_end_matches('/').trim_start_matches("http://").to_owned();
        Self { authority, sender: None }
    }

    /// Sends one request. An error says that the connection broke: whether the shop did it is unknown.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let answer =
            tokio::time::timeout(EXCHANGE_TIME, self.exchange(method, path, headers, body)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer within 30 s".to_owned()));
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        let typed = headers.iter().any(|(name, _)| *name == "content-type");
        if !body.is_empty() && !typed {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let response =
            self.sender().await?.send_request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream =
                TcpStream::connect(&self.authority).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let (sender, connection) =
                handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            // A broken connection is noticed by its requests.
            tokio::spawn(async move { drop(connection.await) });
            self.sender = Some(sender);
        }
        self.sender.as_mut().ok_or_else(|| "no connection".to_owned())
    }

    /// Reads all pages of a list.
    pub async fn read_list(&mut self, path: &str, token: Option<&str>) -> Result<Vec<Value>> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit=100");
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let (mut items, mut next) = (Vec::new(), first.clone());
        loop {
            let mut page =
                self.send(Method::GET, &next, &headers, Bytes::new()).await?.expect(200)?;
            if let Some(more) = page["items"].as_array_mut() {
                items.append(more);
            }
            match page["nextCursor"].as_str() {
                Some(cursor) => next = format!("{first}&cursor={cursor}"),
                None => return Ok(items),
            }
        }
    }
}
