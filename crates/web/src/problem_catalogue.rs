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
    /// Why it comes.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// What the `detail` of one may say.
    pub example: &'static str,
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
    // Its cause, its remedy, and what the detail of one may say.
    [cause, remedy, example]: [&'static str; 3],
) -> Description {
    Description { code, name, status, title, cause, remedy, example }
}

/// Every problem that a client can meet.
#[rustfmt::skip]
pub const PROBLEMS: &[Description] = &[
    row(Malformed, "malformed", 400, "The request cannot be read", ["The body is not valid JSON, nests too deeply, has a member twice, is not UTF-8, or goes on after its end; or the request as a whole is not HTTP.", "Serialise the body with a JSON library, and send it whole.", "EOF while parsing a value at line 1 column 8"]),
    row(UnknownField, "unknown-field", 400, "The body has a member that is not known here", ["Members that the server does not know are refused, so that a typo is not silently dropped.", "Leave out or rename the member at the pointer in `errors`; /openapi.json lists those that are known.", "unknown field `colour`, expected one of `version`, `name`, `price`"]),
    row(InvalidParameter, "invalid-parameter", 400, "A parameter cannot be understood", ["A query or path parameter is unknown here, comes twice, or has a value that it cannot have; empty ones count as absent.", "Mend the one that the member `parameter` names, as the detail says.", "limit: expected 1 to 100"]),
    row(InvalidCursor, "invalid-cursor", 400, "The cursor does not belong to this list", ["A cursor is bound to the filters and the sort of the list that gave it out.", "Begin again without one.", "the cursor is not one that this list gave out: begin without one"]),
    row(InvalidHeader, "invalid-header", 400, "A header cannot be understood", ["A header has a shape that it cannot have.", "Send the header that the detail names in the shape that it expects, or leave it out.", "Idempotency-Key: expected one value of 1 to 255 visible ASCII characters"]),
    row(Unauthenticated, "unauthenticated", 401, "Sign in first", ["The request came without an access token.", "Send `Authorization: Bearer TOKEN` with an access token from POST /api/users/login.", "sign in first: POST /api/users/login, then send `Authorization: Bearer TOKEN`"]),
    row(InvalidToken, "invalid-token", 401, "The access token is not one of ours", ["The token is damaged, was signed by somebody else, or is meant for another use.", "Sign in again, and send the `accessToken` of the answer as it is.", "the access token is not one of ours"]),
    row(TokenExpired, "token-expired", 401, "The access token has expired", ["Access tokens are good for a few minutes.", "Exchange the refresh token for a new one at POST /api/users/refresh, and repeat.", "the access token has expired: refresh it"]),
    row(TokenRevoked, "token-revoked", 401, "The access token was revoked", ["The session ended, the account was disabled or deleted, or its role or password changed.", "Sign in again.", "the access token was revoked: sign in again"]),
    row(InvalidCredentials, "invalid-credentials", 401, "Username or password is wrong", ["No account has this name and password. Which of the two is wrong is not told.", "Let the user type both again; an administrator can permit a new password.", "username or password is wrong"]),
    row(Forbidden, "forbidden", 403, "You may see this but not change it", ["Your role, or the API key, does not permit it, or it is somebody else's. The detail names the permission that is missing.", "Ask somebody who has it, or an administrator for a role that permits it.", "this wants the permission `orders:read`"]),
    row(NotFound, "not-found", 404, "There is no such thing", ["It does not exist, or you may not see it: the answer is the same, so that existence does not leak.", "Look it up in its list, signed in as whom it belongs to.", "there is no such order"]),
    row(RouteNotFound, "route-not-found", 404, "There is no such route", ["The path is not one of this API.", "Take the path from /openapi.json, which lists them all.", "there is no such route: /openapi.json lists them all"]),
    row(MethodNotAllowed, "method-not-allowed", 405, "The path does not know this method", ["The path is known, the method is not.", "Use one of the methods in the header `Allow`.", "DELETE is not a method of this path"]),
    row(NotAcceptable, "not-acceptable", 406, "The answer has another type", ["The header `Accept` excludes the only type that the path answers with, as a rule application/json.", "Name that type in `Accept`, or leave the header out.", "Accept: the answer is application/json"]),
    row(RequestTimeout, "request-timeout", 408, "The request took too long to arrive", ["The body did not arrive in time. Nothing was done.", "Repeat, over a better connection or with less in it.", "the body did not arrive within 10 seconds"]),
    row(VersionConflict, "version-conflict", 409, "Somebody else changed it first", ["The update names a version that is not current. Nothing was changed.", "Merge with `current`, which is there now, and repeat under `currentVersion`.", "the update is based on version 3, the current version is 4"]),
    row(NotOnSale, "not-on-sale", 409, "It is not on sale now", ["`items` lists the products whose sale has not begun or is over, with `opensAt` and `closesAt`; `opensAt` beside them says when everything that was asked for will be on sale, if it ever is at once. Nothing was taken.", "Come back when it opens.", "not on sale now"]),
    row(InsufficientStock, "insufficient-stock", 409, "Not enough is left", ["`items` lists the products that are short, what was requested and what is available. Nothing was taken.", "Order fewer, or something else.", "not enough is left"]),
    row(BelowReserved, "below-reserved", 409, "Open orders and holds have more than that", ["The quantity cannot fall below the units promised to open orders and holds, `reserved`.", "Ship or cancel orders first, let go of holds (GET /api/holds) or wait until they are over, or keep at least as many.", "3 units are promised to open orders and holds"]),
    row(UsernameTaken, "username-taken", 409, "The username is taken", ["Usernames are unique without regard to case.", "Choose another.", "the username is taken, or looks too much like one that is"]),
    row(SkuTaken, "sku-taken", 409, "The sku is taken", ["Another product, archived ones included, has this sku.", "Choose another, or update the product that has it: GET /api/products?sku= finds it, with status=archived where it was taken off sale.", "another product has this sku"]),
    row(InvalidTransition, "invalid-transition", 409, "Where it stands forbids this", ["`orderStatus` is where the order stands now, `paymentStatus` where the payment does; from there this step does not lead on.", "Show it as it is now; an order that was shipped cannot be cancelled.", "an order that is shipped cannot become cancelled"]),
    row(PriceChanged, "price-changed", 409, "The price has changed", ["The order would cost `total`, not the `expectedTotal` of the request. Nothing was ordered.", "Show the new total, and order again once the buyer agrees.", "the order would cost another total"]),
    row(IdempotencyInProgress, "idempotency-in-progress", 409, "The first request under this key is still running", ["Two requests came under one key at once.", "Repeat under the same key after the time in `Retry-After`.", "the first request under this key is still running"]),
    row(IdempotencyKeySpent, "idempotency-key-spent", 409, "The attempt under this key was undone", ["The attempt was cut and undone: nothing was ordered.", "Use a new key.", "the attempt under this key was cut and undone: nothing was ordered; use a new key"]),
    row(WebhookDisabled, "webhook-disabled", 409, "The webhook is switched off", ["Nothing is delivered to a webhook that is disabled; `disabledReason` says why it is.", "Enable it first: PATCH /api/webhooks/{id}.", "the webhook is disabled: enable it first"]),
    row(MfaRequired, "mfa-required", 401, "A second factor is wanted", ["The password is right, and this account has a second factor as well.", "Ask the user for a code of their app, or for recovery, and send it with `mfaToken` to POST /api/users/login/mfa within `expiresIn` seconds.", "the password is right: send a code of your app, or for recovery, as well"]),
    row(MfaEnabled, "mfa-enabled", 409, "There is a second factor already", ["An account has one second factor.", "Give it up first: POST /api/users/me/mfa/disable.", "there is a second factor: disable it first"]),
    row(RoleTaken, "role-taken", 409, "There is a role of this name", ["Names of roles are unique; three are built in.", "Choose another, or change the role that has it: PATCH /api/roles/{name}.", "there is a role of this name"]),
    row(RoleInUse, "role-in-use", 409, "Users have this role", ["A role that somebody has is not deleted.", "Give its users another role first: GET /api/users?role= finds them.", "users have this role: give them another one first"]),
    row(LimitReached, "limit-reached", 409, "There are as many as there may be", ["What the detail names has a bound, and it is reached. Nothing was made. Of an order or a hold, `items` lists the products of which one customer may have no more than `limit`, with what they have `ordered` already, held units among it, and what was `requested`.", "Make do with what there is: delete one, wait until one is over, or order fewer.", "more than one customer may have"]),
    row(HoldExpired, "hold-expired", 410, "The hold is over", ["Its time is over, it was let go of, an order has it already, or it is not yours. Nothing was taken.", "Order without it, or hold anew: there may be less left.", "there is no such hold any more"]),
    row(EventsExpired, "events-expired", 410, "Those events are gone", ["Events are kept for thirty days; `oldest` is the position of the first that is left.", "Read what they were about anew, and go on with `after` one below `oldest`.", "events are kept for thirty days: the oldest is 120044"]),
    row(PaymentOpen, "payment-open", 409, "A payment of the order is open", ["An order has one open payment at a time, so that it is not paid twice. `paymentId` says which.", "Go on with that payment, or call it off: POST /api/payments/{id}/cancel.", "another payment of the order is open: go on with it, or cancel it"]),
    row(PaymentDeclined, "payment-declined", 402, "The payment provider will not", ["The provider has refused for good, for the reason that the detail tells: a card was declined, an authorisation has lapsed.", "Begin another payment, perhaps by another means; an order that was about to ship has not moved.", "the authorisation has lapsed, or was called off"]),
    row(PaymentsDisabled, "payments-disabled", 409, "This shop does not take payments so", ["The setting HOLDFAST_PAYMENTS names no provider, or another one than the request is for.", "Let the operator set it; without it the staff note when money has come: POST /api/orders/{id}/pay.", "this shop takes no payments: HOLDFAST_PAYMENTS names no provider"]),
    row(MailDisabled, "mail-disabled", 409, "This shop sends no letters", ["The setting HOLDFAST_SMTP_URL names no mail server.", "Let the operator set it, with HOLDFAST_MAIL_FROM; without it no letter is written.", "this shop sends no letters: HOLDFAST_SMTP_URL names no server"]),
    row(RefundExceedsCaptured, "refund-exceeds-captured", 409, "More would go back than was taken", ["What was taken, less what was given back and what is on its way back, is less than the amount. `refundable` says how much it is. Nothing was claimed.", "Refund less, or leave the amount out for all that is left.", "500 of what was taken can still be given back, not 900"]),
    row(InvalidSignature, "invalid-signature", 400, "The notification is not genuine", ["Its signature is missing, older than five minutes, or not that of its body under the secret that the shop shares with the provider.", "Send the body as it was signed, byte by byte; check HOLDFAST_STRIPE_WEBHOOK_SECRET and the clock.", "no signature of the notification is that of its body"]),
    row(PreconditionFailed, "precondition-failed", 412, "The entity tag is not current", ["`If-Match` names a representation that is no longer current. Nothing was changed.", "Merge with `current`, which is there now, and repeat with the tag in `ETag`.", "If-Match: the current entity tag is \"4-0\""]),
    row(ContentTooLarge, "content-too-large", 413, "The body is too large", ["Bodies may have 64 KiB, product batches 1 MiB, pictures 4 MiB.", "Send less, or in several requests.", "the body may have 65536 bytes"]),
    row(UriTooLong, "uri-too-long", 414, "The address is too long", ["Path and query may have 8 KiB.", "Ask for less at a time.", "path and query may have 8 KiB"]),
    row(UnsupportedMediaType, "unsupported-media-type", 415, "The body is not of a type that is read here", ["Bodies are application/json, uncompressed; PATCH also takes application/merge-patch+json, and pictures are told by their content.", "Send such a body, with its `Content-Type`.", "send application/json, uncompressed, in UTF-8"]),
    row(Validation, "validation", 422, "The content is not valid", ["`errors` lists each member that is wrong by its JSON pointer.", "Mend each as its detail says; all of them are listed at once.", "#/price/amount: expected 0 to 1000000000000 minor units"]),
    row(IdempotencyKeyReused, "idempotency-key-reused", 422, "The key came with another request before", ["An Idempotency-Key names one request for good.", "Use a new key for a new request.", "this Idempotency-Key came with another request before: use a new key"]),
    row(UnknownProduct, "unknown-product", 422, "There is no such product to order", ["`errors` points at the items whose product does not exist or is archived.", "Take them out of the cart.", "some products do not exist or are archived"]),
    row(MixedCurrencies, "mixed-currencies", 422, "The items are priced in several currencies", ["An order has one currency.", "Place an order for each currency.", "the items are priced in several currencies"]),
    row(TotalTooLarge, "total-too-large", 422, "The total is too large", ["An order may cost 2^53-1 minor units.", "Order fewer units at once.", "the total is more than 2^53-1 minor units"]),
    row(PreconditionRequired, "precondition-required", 428, "Say which version the change is based on", ["A change must state what it is based on, so that nobody's change is overwritten unseen.", "Send `\"version\"` in the body or `If-Match` with the entity tag.", "send \"version\" in the body, or If-Match with the entity tag"]),
    row(RateLimited, "rate-limited", 429, "Too many requests", ["This caller has used up what one caller may ask in a while.", "Wait for the time in `Retry-After`; at a login, the answer to `proofOfWork` lets the next attempt through at once.", "too many failed logins: wait 12 s"]),
    row(HeadersTooLarge, "headers-too-large", 431, "The headers are too large", ["All headers together may have 32 KiB, and there may be 100.", "Send fewer; cookies are not needed here.", "a request may have 100 headers"]),
    row(Internal, "internal", 500, "Something went wrong on our side", ["It has been logged under the request id.", "Tell the operator the `requestId`. Repeating under the same Idempotency-Key is safe.", "something went wrong on our side; it has been logged"]),
    row(Unavailable, "unavailable", 503, "The service is not available right now", ["A part of the shop, or its database, is away for a moment.", "Repeat with the same Idempotency-Key after the time in `Retry-After`.", "products cannot be reached: repeat with the same key"]),
    row(Overloaded, "overloaded", 503, "Too much is waiting", ["More is asked than can be answered in time. Nothing was begun.", "Repeat with the same Idempotency-Key after the time in `Retry-After`.", "too many requests at once: repeat a little later"]),
    row(StorageFull, "storage-full", 503, "The disk is full", ["Nothing was changed; reading goes on.", "Repeat with the same Idempotency-Key once the operator has made room.", "the disk of the database is full: nothing was changed; reading goes on"]),
    row(Timeout, "timeout", 504, "The answer took too long", ["Whether it was done is not known here.", "Repeat with the same Idempotency-Key to learn it.", "the answer took longer than 30 seconds: repeat with the same key"]),
];
