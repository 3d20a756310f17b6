//! What stands behind an envelope.

use std::convert::Infallible;

use axum::{Router, extract::Request, response::Response};
use tower::ServiceExt;

/// Answers requests.
pub trait Endpoint: Send + Sync + 'static {
    /// Answers one request; a refusal is an answer too.
    fn call(&self, request: Request) -> impl Future<Output = Response> + Send;
}

impl Endpoint for Router {
    async fn call(&self, request: Request) -> Response {
        self.clone().oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
    }
}
