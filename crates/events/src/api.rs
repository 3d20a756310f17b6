//! The routes of the events service.

mod audit_log;
mod deliveries;
mod delivery_wire;
mod feed;
mod stream;
mod webhook_wire;
mod webhooks;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::{EVENT_STREAM, Lists, Paths, Service, Types, auth::Verifier};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Events;

/// Events in the envelope of the CNCF (CloudEvents 1.0.2, JSON batch format).
const CLOUD_EVENTS: &str = "application/cloudevents-batch+json";

/// What is known of the service before it is opened.
pub const SERVICE: Service = Service {
    name: "events",
    paths: &[
        Paths { beginning: "/api/events", is_personal: true },
        Paths { beginning: "/api/audit", is_personal: true },
        Paths { beginning: "/api/webhooks", is_personal: true },
    ],
    large_bodies: &[],
    types: &[
        Types {
            path: "/api/events",
            accepted: &[
                "application/json",
                "application/problem+json",
                CLOUD_EVENTS,
                "application/*",
                "*/*",
            ],
        },
        Types { path: "/api/events/stream", accepted: &[EVENT_STREAM, "text/*", "*/*"] },
    ],
};

impl FromRef<Events> for Arc<Verifier> {
    fn from_ref(events: &Events) -> Self {
        events.verifier()
    }
}

impl FromRef<Events> for Lists {
    fn from_ref(events: &Events) -> Self {
        events.lists()
    }
}

/// All routes of the service.
pub fn routes(events: Events) -> Router {
    table().with_state(events).into()
}

/// Describes the routes.
#[must_use]
pub fn document() -> OpenApi {
    table().into_openapi()
}

fn table() -> OpenApiRouter<Events> {
    OpenApiRouter::new()
        .routes(routes!(feed::list_events))
        .routes(routes!(stream::follow_events))
        .routes(routes!(feed::get_event))
        .routes(routes!(audit_log::list_audit_entries))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::get_webhook, webhooks::update_webhook, webhooks::delete_webhook))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::replay_webhook))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::get_delivery))
        .routes(routes!(deliveries::retry_delivery))
}
