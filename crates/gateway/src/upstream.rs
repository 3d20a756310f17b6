//! A service, as the gateway sees it.

use axum::{Router, extract::Request, response::Response};
use holdfast_web::Endpoint;

/// Where a service runs.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// In this process: a call is a function call.
    Local(Router),
}

impl Upstream {
    /// Hands a request over.
    pub(crate) async fn call(&self, request: Request) -> Response {
        match self {
            Self::Local(routes) => routes.call(request).await,
        }
    }
}
