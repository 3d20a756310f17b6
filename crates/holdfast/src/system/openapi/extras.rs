//! What problems say beside what all of them say.

use holdfast_types::Code::{self, *};
use serde_json::{Value, json};

/// Those that only some of its problems have.
const IN_SOME: [&str; 7] = [
    "currentVersion",
    "current",
    "proofOfWork",
    "orderStatus",
    "paymentStatus",
    "paymentId",
    "opensAt",
];

/// Whether each of these problems has that member.
pub(super) fn is_in_all(code: Code, member: &str) -> bool {
    code != LimitReached && !IN_SOME.contains(&member)
}

/// The members of a problem that are its own, with their schemas.
pub(super) fn of(code: Code) -> Vec<(&'static str, Value)> {
    let integer = || json!({"type": "integer", "format": "int64"});
    match code {
        VersionConflict | PreconditionFailed => vec![
            ("currentVersion", integer()),
            (
                "current",
                json!({
                    "description": "The resource as it is now.",
                    "oneOf": [
                        reference("ProductView"), reference("OrderView"), reference("UserView"),
                        reference("WebhookView"), reference("RoleView"), reference("ApiKeyView"),
                    ],
                }),
            ),
        ],
        InsufficientStock => vec![(
            "items",
            json!({"type": "array", "items": {
                "type": "object",
                "required": ["productId", "requested", "available"],
                "properties": {
                    "productId": {"type": "string", "format": "uuid"},
                    "requested": integer(),
                    "available": integer(),
                },
            }}),
        )],
        LimitReached => vec![("items", limits())],
        NotOnSale => vec![("items", windows()), ("opensAt", moment())],
        MfaRequired => vec![
            (
                "mfaToken",
                json!({"type": "string", "description": "For POST /api/users/login/mfa, with a code."}),
            ),
            ("expiresIn", json!({"type": "integer", "description": "Seconds."})),
        ],
        BelowReserved => vec![("reserved", integer())],
        EventsExpired => vec![("oldest", json!({"type": "integer", "minimum": 1}))],
        InvalidTransition => vec![
            ("orderStatus", reference("OrderStatus")),
            ("paymentStatus", reference("PaymentStatus")),
        ],
        PaymentOpen | PaymentDeclined => {
            vec![("paymentId", json!({"type": "string", "format": "uuid"}))]
        }
        RefundExceedsCaptured => vec![("refundable", integer())],
        PriceChanged => vec![("total", reference("Money"))],
        InvalidParameter => vec![("parameter", json!({"type": "string"}))],
        RateLimited => vec![
            ("retryAfter", json!({"type": "integer", "description": "Seconds."})),
            (
                "proofOfWork",
                json!({
                    "type": "object",
                    "description": "At a login: a challenge whose answer lets the next attempt through at once.",
                    "required": ["challenge", "bits"],
                    "properties": {
                        "challenge": {"type": "string"},
                        "bits": {"type": "integer", "description": "Leading zero bits."},
                    },
                }),
            ),
        ],
        _ => Vec::new(),
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn moment() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// Products of which a customer wants more than the limit.
fn limits() -> Value {
    let integer = || json!({"type": "integer", "format": "int64"});
    json!({
        "description": "Of an order or a hold: products of which one customer may have no more; what they hold counts as ordered.",
        "type": "array",
        "items": {
            "type": "object",
            "required": ["productId", "limit", "ordered", "requested"],
            "properties": {
                "productId": {"type": "string", "format": "uuid"},
                "limit": integer(),
                "ordered": integer(),
                "requested": integer(),
            },
        },
    })
}

/// Products and when they are on sale.
fn windows() -> Value {
    json!({"type": "array", "items": {
        "type": "object",
        "required": ["productId"],
        "properties": {
            "productId": {"type": "string", "format": "uuid"},
            "opensAt": moment(),
            "closesAt": moment(),
        },
    }})
}
