//! The router: directs each request to its service by the prefix of its path, after CORS and rate limits.
//! `/internal` is never forwarded.

mod cors;
mod limits;
mod upstream;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use holdfast_types::Clock;
use holdfast_web::{auth::Verifier, with_fallbacks};

use limits::Limiter;
pub use limits::RateLimits;
pub use upstream::Upstream;

/// Where the services are.
#[derive(Clone, Debug)]
pub struct Upstreams {
    /// `/api/users` and `/.well-known`.
    pub users: Upstream,
    /// `/api/products`.
    pub products: Upstream,
    /// `/api/orders`.
    pub orders: Upstream,
}

/// What the gateway can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Reads and writes that one caller may make.
    pub limits: RateLimits,
    /// Origins that browsers may call from; empty for loopback origins.
    pub cors_origins: Vec<String>,
}

struct Gateway {
    upstreams: Upstreams,
    /// Paths outside the services.
    system: Router,
    limiter: Limiter,
}

/// The gateway, and the same behind CORS.
#[derive(Clone)]
struct Doors {
    plain: Arc<Gateway>,
    shared: Router,
}

/// The routes of a whole shop: services behind one router, and `system` for everything that is none of theirs.
pub fn routes(
    upstreams: Upstreams,
    system: Router,
    settings: &Settings,
    verifier: Arc<Verifier>,
    clock: Clock,
) -> Router {
    let limiter = Limiter::new(settings.limits, verifier, clock);
    let plain = Arc::new(Gateway { upstreams, system: with_fallbacks(system), limiter });
    let behind = |State(gateway): State<Arc<Gateway>>, request: Request| async move {
        gateway.forward(request).await
    };
    let shared = Router::new().fallback(behind).with_state(Arc::clone(&plain));
    let shared = shared.layer(cors::layer(&settings.cors_origins));
    Router::new().fallback(enter).with_state(Doors { plain, shared })
}

/// Only what a page of another origin sends passes CORS. Its layer would answer every `OPTIONS`, but only preflights
/// are its business (Fetch standard, §3.2.2).
async fn enter(State(doors): State<Doors>, request: Request) -> Response {
    let headers = request.headers();
    let preflight = request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if headers.contains_key(header::ORIGIN) && (request.method() != Method::OPTIONS || preflight) {
        let mut response = upstream::call_local(doors.shared, request).await;
        if preflight && response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        return response;
    }
    let mut response = doors.plain.forward(request).await;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
    response
}

impl Gateway {
    async fn forward(&self, request: Request) -> Response {
        let Some(upstream) = self.upstreams.of(request.uri().path()) else {
            return upstream::call_local(self.system.clone(), request).await;
        };
        let standing = match self.limiter.admit(&request) {
            Ok(standing) => standing,
            Err(refusal) => return *refusal,
        };
        let mut response = upstream.call(request).await;
        // A refusal of the service's own limit speaks for itself.
        if let Some(standing) =
            standing.filter(|_| response.status() != StatusCode::TOO_MANY_REQUESTS)
        {
            standing.tell(response.headers_mut());
        }
        response
    }
}

impl Upstreams {
    fn of(&self, path: &str) -> Option<&Upstream> {
        let (first, rest) = path.strip_prefix('/')?.split_once('/')?;
        match (first, rest.split('/').next()?) {
            ("api", "users") | (".well-known", _) => Some(&self.users),
            ("api", "products") => Some(&self.products),
            ("api", "orders") => Some(&self.orders),
            _ => None,
        }
    }
}
