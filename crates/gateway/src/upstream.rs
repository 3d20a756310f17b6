//! A service, as the gateway sees it.

use std::convert::Infallible;

use axum::{Router, extract::Request, response::Response};
use tower::ServiceExt;

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
            Self::Local(routes) => call_local(routes.clone(), request).await,
        }
    }
}

pub(crate) async fn call_local(routes: Router, request: Request) -> Response {
    routes.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
}
