//! A mutating request: its body, its preconditions, and the operation that it is.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, header},
};
use bytes::Bytes;
use holdfast_types::{
    Audit, AuditTrail, Basis, Code, Error, Fingerprint, IfMatch, Operation, Result, Secret,
};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    BODY_BYTES, Buffered, Buffers, Problem, RequestId,
    auth::{Act, Audited, Caller, Verifier},
    conditional::Edit,
    envelope::Context,
    origin::source,
    query::{Judged, NoQuery},
};

/// A body that takes longer than this may have outlasted its sender's rights.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How long a `traceparent` may be: version 00 has 55 characters.
const TRACE_CHARACTERS: usize = 128;
/// How long an `Idempotency-Key` may be.
const KEY_CHARACTERS: usize = 255;

/// The rest of a request after its extractors. The body is still unread, so that who may not act is told first.
#[derive(Debug)]
pub struct Input {
    method: Method,
    path: String,
    headers: HeaderMap,
    minted: Option<Uuid>,
    body: Body,
    buffers: Buffers,
    source: String,
    client: IpAddr,
    request_id: RequestId,
    /// What the caller's token was judged by.
    verifier: Option<Arc<Verifier>>,
    /// The memory of the body counts as long as the request does.
    buffered: Option<Buffered>,
}

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        if parts.extensions.get::<Judged>().is_none() {
            NoQuery::from_request_parts(&mut parts, state).await?;
        }
        let context = parts.extensions.get::<Context>();
        let context = context.ok_or_else(|| Error::internal("the request has no context"))?;
        let (minted, buffers) = (context.operation_id, context.buffers.clone());
        let (client, request_id) = (context.client, context.request_id.clone());
        let source = source(client);
        let path = parts
            .extensions
            .get::<axum::extract::OriginalUri>()
            .map_or(parts.uri.path(), |uri| uri.0.path());
        let path = one_spelling(path);
        let verifier = parts.extensions.remove::<Arc<Verifier>>();
        let (method, headers) = (parts.method, parts.headers);
        Ok(Self {
            method,
            path,
            headers,
            minted,
            body,
            buffers,
            source,
            client,
            request_id,
            verifier,
            buffered: None,
        })
    }
}

impl Input {
    /// Reads the body: JSON, uncompressed, at most 64 KiB, within 10 s. An empty body needs no `Content-Type`.
    pub async fn body(&mut self) -> Result<Bytes> {
        self.body_of(BODY_BYTES, &["application/json"]).await
    }

    /// Reads a body that says nothing: none, or an object without members.
    pub async fn nothing(&mut self) -> Result<()> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        let body = self.body().await?;
        if !body.is_empty() {
            let Nothing {} = crate::parse(&body)?;
        }
        Ok(())
    }

    /// Reads the body, of at most `limit` bytes and one of the media `types`.
    pub async fn body_of(&mut self, limit: usize, types: &[&str]) -> Result<Bytes> {
        let body = std::mem::take(&mut self.body);
        let began = Instant::now();
        let buffered = self.buffers.read(body, &self.headers, limit, &self.source).await?;
        if let Some(verifier) = self.verifier.as_ref().filter(|_| began.elapsed() > AT_ONCE) {
            // Who was let in may have been shut out while the body came.
            Caller::from_headers(&self.headers, verifier)?;
        }
        let bytes = buffered.bytes.clone();
        self.buffered = Some(buffered);
        if !bytes.is_empty() {
            self.check_type(types)?;
        }
        Ok(bytes)
    }

    fn check_type(&self, types: &[&str]) -> Result<()> {
        let given = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let (media, parameters) = given.split_once(';').unwrap_or((given, ""));
        let charset = parameters.trim().to_ascii_lowercase();
        let plain = self
            .headers
            .get(header::CONTENT_ENCODING)
            .is_none_or(|encoding| encoding == "identity");
        let known = types.iter().any(|known| known.eq_ignore_ascii_case(media.trim()));
        let utf8 = !charset.starts_with("charset=")
            || charset.trim_start_matches("charset=").trim_matches('"') == "utf-8";
        if plain && known && utf8 {
            return Ok(());
        }
        Err(Error::new(
            Code::UnsupportedMediaType,
            format!("send {}, uncompressed, in UTF-8", types.join(" or ")),
        ))
    }

    /// Reads a conditional change in one of the media `types`; what `read` and the preconditions refuse waits in it for its turn.
    pub async fn edit<T>(
        &mut self,
        secret: &Secret,
        act: Act,
        types: &[&str],
        read: impl FnOnce(serde_json::Value) -> Result<T>,
    ) -> Result<Edit<T>> {
        let body = crate::parse_value(&self.body_of(BODY_BYTES, types).await?)?;
        let operation = self.operation(secret, act, body.to_string().as_bytes())?;
        let basis = self.basis(&body);
        Ok(Edit { operation, basis, change: read(body) })
    }

    /// What an update with this `body` is based on.
    pub fn basis(&self, body: &serde_json::Value) -> Result<Basis> {
        crate::conditional::basis(&self.headers, body)
    }

    /// The trace that this request belongs to (W3C Trace Context, `traceparent`), as the client sent it.
    #[must_use]
    pub fn trace(&self) -> Option<String> {
        let value = self.headers.get("traceparent")?.to_str().ok()?;
        (value.len() <= TRACE_CHARACTERS).then(|| value.to_owned())
    }

    /// What `If-Match` asks for.
    pub fn if_match(&self) -> Result<Option<IfMatch>> {
        crate::conditional::if_match(&self.headers)
    }

    /// The same where all of a body is its content.
    pub fn operation_of(
        &self,
        secret: &Secret,
        act: Act,
        body: &impl Serialize,
    ) -> Result<Operation> {
        let content = serde_json::to_vec(body).map_err(Error::internal)?;
        self.operation(secret, act, &content)
    }

    /// The operation that this request is; `content` is what tells it from another under the same key.
    pub fn operation(&self, secret: &Secret, act: Act, content: &[u8]) -> Result<Operation> {
        let Act { principal, audited } = act;
        let id = match idempotency_key(&self.headers)? {
            Some(key) => Operation::derived_id(&principal, self.method.as_str(), &self.path, key),
            None => self.minted()?,
        };
        Ok(self.operation_under(id, secret.fingerprint(content), audited))
    }

    /// The same without regard to a key, for what clients may repeat as it is.
    pub fn keyless_operation(
        &self,
        secret: &Secret,
        act: &Act,
        content: &[u8],
    ) -> Result<Operation> {
        Ok(self.operation_under(self.minted()?, secret.fingerprint(content), act.audited))
    }

    fn operation_under(
        &self,
        id: Uuid,
        fingerprint: Fingerprint,
        audited: Option<Audited>,
    ) -> Operation {
        let audit = audited.map(|audited| Arc::new(self.audit(audited, id)));
        Operation { id, fingerprint, audit }
    }

    fn minted(&self) -> Result<Uuid> {
        self.minted.ok_or_else(|| Error::internal("the request has no operation id"))
    }

    fn audit(&self, audited: Audited, operation: Uuid) -> Audit {
        let Audited { action, resource, user, key } = audited;
        let trail = AuditTrail {
            resource_id: resource.unwrap_or(operation),
            actor_id: user,
            key_id: key,
            address: self.client,
            request_id: self.request_id.as_str().to_owned(),
            request: format!("{} {}", self.method, self.path),
        };
        Audit { action, operation, trail }
    }
}

/// The path as keys know it: ids may be written in capitals and with percent signs.
fn one_spelling(path: &str) -> String {
    if path.bytes().all(|byte| byte != b'%' && !byte.is_ascii_uppercase()) {
        return path.to_owned();
    }
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase()
}

/// The client's key: 1 to 255 visible ASCII characters, bare or in quotes.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    let bare = quoted.unwrap_or(key);
    let balanced = quoted.is_some() || !(key.starts_with('"') || key.ends_with('"'));
    let sane = balanced
        && (1..=KEY_CHARACTERS).contains(&bare.len())
        && bare.bytes().all(|byte| byte.is_ascii_graphic());
    if sane && values.next().is_none() {
        return Ok(Some(bare));
    }
    Err(Error::new(
        Code::InvalidHeader,
        "Idempotency-Key: expected one value of 1 to 255 visible ASCII characters",
    ))
}
