//! Rate limits: writes per principal; reads per principal, or per address when anonymous.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use holdfast_types::{Code, Error, Permission};
use holdfast_web::{
    Context, Problem,
    auth::{Caller, Verifier},
    rate::{Quota, RateLimit, RateLimitState},
    source,
};
use tokio::time::Instant;

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What one caller may do; `None` for no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimits {
    /// Requests that change nothing.
    pub reads: Option<Quota>,
    /// Requests that change something.
    pub writes: Option<Quota>,
}

pub(crate) struct Limiter {
    reads: Option<RateLimit>,
    writes: Option<RateLimit>,
    verifier: Arc<Verifier>,
}

/// What the caller is told about the limit, in the words of draft-ietf-httpapi-ratelimit-headers.
pub(crate) struct RateLimitHeaders {
    name: &'static str,
    quota: Quota,
    standing: RateLimitState,
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits, verifier: Arc<Verifier>) -> Self {
        Self {
            reads: limits.reads.map(RateLimit::new),
            writes: limits.writes.map(RateLimit::new),
            verifier,
        }
    }

    /// Counts a request; refuses with `rate-limited`.
    pub(crate) fn admit(
        &self,
        request: &Request,
    ) -> Result<Option<RateLimitHeaders>, Box<Response>> {
        let safe = request.method().is_safe();
        let (name, limit) = if safe { ("reads", &self.reads) } else { ("writes", &self.writes) };
        take(name, limit.as_ref(), || self.key(request))
    }

    /// Counts a question to users about a key against its address, which it returns; refuses with `rate-limited`.
    pub(crate) fn admit_question(&self, request: &Request) -> Result<String, Box<Response>> {
        let address = address(request);
        take("reads", self.reads.as_ref(), || address.clone()).map(|_| address)
    }

    /// The key was good: the question does not count.
    pub(crate) fn give_back(&self, address: &str) {
        if let Some(reads) = &self.reads {
            reads.give_back(address);
        }
    }

    /// Whether somebody sends it who may write products.
    pub(crate) fn knows_seller(&self, headers: &HeaderMap) -> bool {
        let caller = Caller::from_headers(headers, &self.verifier);
        matches!(caller, Ok(Some(caller)) if caller.may(Permission::ProductsWrite))
    }

    /// The principal; a token that is not good counts against its address.
    fn key(&self, request: &Request) -> String {
        match Caller::from_headers(request.headers(), &self.verifier) {
            Ok(Some(caller)) => caller.principal(),
            _ => address(request),
        }
    }
}

fn address(request: &Request) -> String {
    let context = request.extensions().get::<Context>();
    context.map_or_else(String::new, |context| source(context.client))
}

fn take(
    name: &'static str,
    limit: Option<&RateLimit>,
    key: impl FnOnce() -> String,
) -> Result<Option<RateLimitHeaders>, Box<Response>> {
    let Some(limit) = limit else { return Ok(None) };
    let standing = limit.take(&key(), Instant::now());
    let told = RateLimitHeaders { name, quota: limit.quota(), standing };
    if standing.allowed {
        return Ok(Some(told));
    }
    let seconds = seconds(standing);
    let error = Error::new(Code::RateLimited, format!("too many {name}: wait {seconds} s"))
        .with("retryAfter", seconds);
    let mut refusal = Problem::from(error).into_response();
    told.tell(refusal.headers_mut());
    Err(Box::new(refusal))
}

impl RateLimitHeaders {
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Self { name, quota, standing } = self;
        let policy = format!("\"{name}\";q={};w={}", quota.requests, quota.period.as_secs());
        let limit = format!("\"{name}\";r={};t={}", standing.remaining, seconds(*standing));
        for (header, value) in [(&POLICY, policy), (&LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(header.clone(), value);
            }
        }
    }
}

fn seconds(standing: RateLimitState) -> u64 {
    u64::try_from(standing.wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}
