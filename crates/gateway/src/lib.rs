//! The router: directs each request to its service by the prefix of its path, after CORS and rate limits.
//! `/internal` is never forwarded.

mod cors;
mod keys;
mod limits;
mod upstream;

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use holdfast_web::{
    Context, Endpoint, Problem, Service,
    auth::{KeyProof, Verifier},
    with_fallbacks,
};

pub use keys::KeyExchange;
use keys::{Keys, Known};
use limits::Limiter;
pub use limits::RateLimits;
pub use upstream::Upstream;

/// Where the services are.
pub type Upstreams = Vec<(&'static Service, Upstream)>;

/// What the gateway can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Reads and writes that one caller may make.
    pub limits: RateLimits,
    /// Origins that browsers may call from; empty for loopback origins.
    pub cors_origins: Vec<String>,
}

/// The router of a whole shop.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    plain: Arc<Plain>,
    /// The same behind CORS.
    shared: Router,
}

/// The gateway without CORS.
struct Plain {
    upstreams: Upstreams,
    /// Paths outside the services.
    system: Router,
    limiter: Limiter,
    keys: Keys,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway to `upstreams`, and to `system` for every path that is none of theirs.
    #[must_use]
    pub fn new(
        upstreams: Upstreams,
        system: Router,
        settings: &Settings,
        exchange: Arc<dyn KeyExchange>,
        verifier: Arc<Verifier>,
    ) -> Self {
        let keys = Keys::new(exchange, Arc::clone(&verifier));
        let limiter = Limiter::new(settings.limits, verifier);
        let plain = Arc::new(Plain { upstreams, system: with_fallbacks(system), limiter, keys });
        let behind = |State(plain): State<Arc<Plain>>, request: Request| async move {
            plain.forward(request).await
        };
        let shared = Router::new().fallback(behind).with_state(Arc::clone(&plain));
        let shared = shared.layer(cors::layer(&settings.cors_origins));
        Self(Arc::new(Inner { plain, shared }))
    }
}

impl Endpoint for Gateway {
    /// Only what a page of another origin sends passes CORS. Its layer would answer every `OPTIONS`, but only
    /// preflights are its business (Fetch standard, §3.2.2).
    async fn call(&self, request: Request) -> Response {
        let headers = request.headers();
        let preflight = request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let foreign = headers.contains_key(header::ORIGIN);
        if foreign && (request.method() != Method::OPTIONS || preflight) {
            let mut response = Box::pin(self.0.shared.call(request)).await;
            if preflight && response.status() == StatusCode::OK {
                *response.status_mut() = StatusCode::NO_CONTENT;
            }
            return response;
        }
        let mut response = self.0.plain.forward(request).await;
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        response
    }
}

impl Plain {
    /// Answers a request. One that shows an API key is answered as the token is that the key is changed for.
    async fn forward(&self, mut request: Request) -> Response {
        let proof = match Keys::shown(&request) {
            Ok(None) => return self.route(request).await,
            Ok(Some(proof)) => proof,
            Err(error) => return Problem::from(error).into_response(),
        };
        let client = request.extensions().get::<Context>().map(|context| context.client);
        let known = match self.keys.find(&proof) {
            Some(known) => known,
            None => {
                let counted = self.limiter.admit_question(&request);
                match self.ask(counted, &proof, client).await {
                    Ok(known) => known,
                    Err(refusal) => return *refusal,
                }
            }
        };
        if let Err(error) = known.replace(&mut request, client) {
            return Problem::from(error).into_response();
        }
        let response = Box::pin(self.route(request)).await;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.keys.forget(&proof, &known);
        }
        response
    }

    /// Asks users about a key. The question counts against its address when the key is not good: strangers invent as many as they like.
    async fn ask(
        &self,
        counted: Result<String, Box<Response>>,
        proof: &KeyProof,
        client: Option<IpAddr>,
    ) -> Result<Arc<Known>, Box<Response>> {
        let address = counted?;
        let known = self.keys.ask(proof, client).await;
        let known = known.map_err(|error| Box::new(Problem::from(error).into_response()))?;
        self.limiter.give_back(&address);
        Ok(known)
    }

    async fn route(&self, request: Request) -> Response {
        let path = request.uri().path();
        let known = |(service, _): &&(&Service, _)| service.paths_of(path).is_some();
        let Some((service, upstream)) = self.upstreams.iter().find(known) else {
            return Box::pin(self.system.call(request)).await;
        };
        let streams = service.streams(path);
        let standing = match self.limiter.admit(&request) {
            Ok(standing) => standing,
            Err(refusal) => return *refusal,
        };
        // Strangers do not get memory for a batch: the service would refuse them before it reads.
        let is_seller = || self.limiter.knows_seller(request.headers());
        let limit = service.largest_body(path, is_seller);
        let mut response = upstream.call(request, limit, streams).await;
        // A refusal of the service's own limit speaks for itself.
        if let Some(standing) =
            standing.filter(|_| response.status() != StatusCode::TOO_MANY_REQUESTS)
        {
            standing.tell(response.headers_mut());
        }
        response
    }
}
