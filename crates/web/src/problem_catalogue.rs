//! The one table that turns codes into HTTP, and explains them to people.

use holdfast_types::Code::{self, *};

/// What a code means over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The code.
    pub code: Code,
    /// The last segment of the problem's `type`.
    pub name: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The short, constant summary.
    pub title: &'static str,
    /// What a developer should know.
    pub explanation: &'static str,
}

/// The description of `code`.
#[must_use]
pub fn describe(code: Code) -> &'static Description {
    PROBLEMS
        .iter()
        .find(|problem| problem.code == code)
        .expect("every code has a row: a test holds it")
}

/// The description of the problem called `name`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Description> {
    PROBLEMS.iter().find(|problem| problem.name == name)
}

const fn row(
    code: Code,
    name: &'static str,
    status: u16,
    title: &'static str,
    explanation: &'static str,
) -> Description {
    Description { code, name, status, title, explanation }
}

/// Every problem that a client can meet.
#[rustfmt::skip]
pub const PROBLEMS: &[Description] = &[
    row(Malformed, "malformed", 400, "The request cannot be read", "The body is not valid JSON, nests too deeply, has a member twice, is not UTF-8, or goes on after its end; or the request as a whole is not HTTP."),
    row(UnknownField, "unknown-field", 400, "The body has a member that is not known here", "Members that the server does not know are refused, so that a typo is not silently dropped. The pointer names the member."),
    row(InvalidParameter, "invalid-parameter", 400, "A parameter cannot be understood", "The member `parameter` names the query or path parameter. Unknown parameters are refused; empty ones count as absent."),
    row(InvalidCursor, "invalid-cursor", 400, "The cursor does not belong to this list", "A cursor is bound to the filters and the sort of the list that gave it out. Begin again without one."),
    row(InvalidHeader, "invalid-header", 400, "A header cannot be understood", "The detail names the header and the shape that is expected."),
    row(Unauthenticated, "unauthenticated", 401, "Sign in first", "Send `Authorization: Bearer TOKEN` with an access token from POST /api/users/login."),
    row(InvalidToken, "invalid-token", 401, "The access token is not one of ours", "The token is damaged, was signed by somebody else, or is meant for another use."),
    row(TokenExpired, "token-expired", 401, "The access token has expired", "Exchange the refresh token for a new one at POST /api/users/refresh."),
    row(TokenRevoked, "token-revoked", 401, "The access token was revoked", "The session ended, the account was disabled or deleted, or its role or password changed. Sign in again."),
    row(InvalidCredentials, "invalid-credentials", 401, "Username or password is wrong", "Which of the two is wrong is not told."),
    row(Forbidden, "forbidden", 403, "You may see this but not change it", "Another role or another owner is needed."),
    row(NotFound, "not-found", 404, "There is no such thing", "It does not exist, or you may not see it: the answer is the same, so that existence does not leak."),
    row(RouteNotFound, "route-not-found", 404, "There is no such route", "The path is not one of this API. /openapi.json lists them all."),
    row(MethodNotAllowed, "method-not-allowed", 405, "The path does not know this method", "The header `Allow` lists the methods."),
    row(NotAcceptable, "not-acceptable", 406, "The answer is JSON", "The header `Accept` excludes application/json, which is all that this API speaks."),
    row(RequestTimeout, "request-timeout", 408, "The request took too long to arrive", "The body did not arrive in time. Nothing was done."),
    row(VersionConflict, "version-conflict", 409, "Somebody else changed it first", "The update names a version that is not current. `currentVersion` and `current` show what is there now: merge and repeat."),
    row(InsufficientStock, "insufficient-stock", 409, "Not enough is left", "`items` lists the products that are short, what was requested and what is available. Nothing was taken."),
    row(BelowReserved, "below-reserved", 409, "Open orders hold more than that", "The quantity cannot fall below the units promised to open orders, `reserved`."),
    row(UsernameTaken, "username-taken", 409, "The username is taken", "Usernames are unique without regard to case."),
    row(SkuTaken, "sku-taken", 409, "The sku is taken", "Another product, archived ones included, has this sku."),
    row(InvalidTransition, "invalid-transition", 409, "The order's state forbids this", "`orderStatus` is where the order stands now."),
    row(PriceChanged, "price-changed", 409, "The price has changed", "The order would cost `total`, not the `expectedTotal` of the request. Nothing was ordered."),
    row(IdempotencyInProgress, "idempotency-in-progress", 409, "The first request under this key is still running", "Repeat after the time in `Retry-After`."),
    row(IdempotencyKeySpent, "idempotency-key-spent", 409, "The attempt under this key was undone", "The attempt was cut and undone: nothing was ordered. Use a new key."),
    row(PreconditionFailed, "precondition-failed", 412, "The entity tag is not current", "`If-Match` names a representation that is no longer current. `currentVersion`, `current` and `ETag` show what is."),
    row(ContentTooLarge, "content-too-large", 413, "The body is too large", "Bodies may have 64 KiB, product batches 1 MiB."),
    row(UriTooLong, "uri-too-long", 414, "The address is too long", "Path and query may have 8 KiB."),
    row(UnsupportedMediaType, "unsupported-media-type", 415, "The body is not of a type that is read here", "Send application/json, uncompressed; PATCH also takes application/merge-patch+json."),
    row(Validation, "validation", 422, "The content is not valid", "`errors` lists each member that is wrong by its JSON pointer, with the expected shape."),
    row(IdempotencyKeyReused, "idempotency-key-reused", 422, "The key came with another request before", "An Idempotency-Key names one request for good. Use a new key for a new request."),
    row(UnknownProduct, "unknown-product", 422, "There is no such product to order", "`errors` points at the items whose product does not exist or is archived."),
    row(MixedCurrencies, "mixed-currencies", 422, "The items are priced in several currencies", "An order has one currency."),
    row(TotalTooLarge, "total-too-large", 422, "The total is too large", "An order may cost 2^53-1 minor units."),
    row(PreconditionRequired, "precondition-required", 428, "Say which version the change is based on", "Send `\"version\"` in the body or `If-Match` with the entity tag, so that nobody's change is overwritten unseen."),
    row(RateLimited, "rate-limited", 429, "Too many requests", "Wait for the time in `Retry-After`."),
    row(HeadersTooLarge, "headers-too-large", 431, "The headers are too large", "All headers together may have 32 KiB."),
    row(Internal, "internal", 500, "Something went wrong on our side", "It has been logged under the request id."),
    row(Unavailable, "unavailable", 503, "The service is not available right now", "Repeat with the same Idempotency-Key after the time in `Retry-After`."),
    row(Overloaded, "overloaded", 503, "Too much is waiting", "Nothing was begun. Repeat with the same Idempotency-Key after the time in `Retry-After`."),
    row(StorageFull, "storage-full", 503, "The disk is full", "Nothing was changed; reading goes on. Repeat with the same Idempotency-Key once there is room."),
    row(Timeout, "timeout", 504, "The answer took too long", "Whether it was done is not known here. Repeat with the same Idempotency-Key to learn it."),
];
