"""What an answer may be: the checks of schemathesis, and what the OpenAPI document cannot say.

A request that fits its schema may still be refused: because of who asks, because of what the shop holds, or by a rule
that JSON Schema has no words for. Each such refusal is listed here; every other one is an error of the document or
of the shop.
"""

import atexit
import collections
import json
import os
import random
import re
import urllib.parse

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation

ROLE = os.environ["CONTRACT_ROLE"]
BASE = os.environ["CONTRACT_BASE"]
IDS = json.loads(os.environ["CONTRACT_IDS"])
CHOICE = random.Random(os.environ["CONTRACT_SEED"])

# Refusals by what the shop holds, and by who asks.
BY_STATE = {
    "forbidden", "not-found", "unauthenticated", "invalid-credentials", "invalid-token", "token-revoked",
    "version-conflict", "precondition-failed", "precondition-required", "sku-taken", "username-taken",
    "insufficient-stock", "unknown-product", "price-changed", "invalid-transition", "below-reserved", "webhook-disabled", "limit-reached", "role-taken", "role-in-use", "mfa-required", "mfa-enabled",
    "idempotency-key-reused", "idempotency-key-spent", "idempotency-in-progress",
    "not-on-sale", "hold-expired", "payment-open", "payment-declined", "payments-disabled", "mail-disabled", "refund-exceeds-captured",
}  # fmt: skip

# Rules that JSON Schema cannot say, by code and by the place that the refusal names.
BY_RULE = {
    ("validation", "#/username"): "letters of one script that is in use",
    ("validation", "#/password"): "not among the commonest, not the username; or it is wrong",
    ("validation", "#/newPassword"): "not among the commonest, not the username",
    ("validation", "#/currentPassword"): "it is wrong",
    ("validation", "#/resetToken"): "it is wrong",
    ("validation", "#/delta"): "not 0",
    ("mixed-currencies", None): "one currency per order",
    ("validation", "#/saleWindow/opensAt"): "years 1970 to 9999",
    ("validation", "#/saleWindow/closesAt"): "after `opensAt`; years 1970 to 9999",
    ("validation", "#/items/N/saleWindow/opensAt"): "years 1970 to 9999",
    ("validation", "#/items/N/saleWindow/closesAt"): "after `opensAt`; years 1970 to 9999",
    ("validation", "#/items/N/productId"): "of the order",
    ("validation", "#/items/N/quantity"): "no more than are left",
    ("validation", "#/items/N/restock"): "not back in the stock yet",
    ("validation", "#/amount/currency"): "that of the payment",
    ("validation", "#/amount"): "1 or more",
    ("validation", "#/amount/amount"): "1 or more",
    ("validation", "#/orderId"): "an order that costs something",
    ("total-too-large", None): "below 2^53",
    ("invalid-cursor", None): "only what a page gave",
    ("invalid-parameter", "q"): "1 to 20 words",
    ("invalid-parameter", "currency"): "wanted by minPrice and maxPrice",
    ("invalid-parameter", "from"): "so many intervals, of calendars",
    ("invalid-parameter", "to"): "after `from`",
    ("invalid-parameter", "after"): "a position that the log has come to",
    ("validation", "#/note"): "something to read",
    ("validation", "#/role"): "a guest is a customer; there is such a role",
    ("validation", "#/code"): "of the app, or for recovery",
    ("validation", "#/expiresAt"): "a time to come",
    ("validation", "#/addresses/N"): "an address, or a network that ends in zeros after its prefix",
    ("validation", "#/url"): "https, and of the public internet",
    ("validation", "#/to"): "after `from`",
    ("validation", ""): "one of two members; an account with an address",
    ("validation", "#/token"): "it came by letter",
}

# What the bytes of a picture must be.
OF_PICTURES = {"unsupported-media-type", "validation"}


def problem_of(response):
    kind = response.headers.get("content-type", [""])[0]
    return response.json() if kind.startswith("application/problem+json") else {}


def is_allowed(problem):
    code = problem.get("code")
    places = [error["pointer"] for error in problem.get("errors", [])] or [problem.get("parameter")]
    # Whichever item of a list it is.
    places = [re.sub(r"/\d+(?=/|$)", "/N", place) if place else place for place in places]
    return code in BY_STATE or all((code, place) in BY_RULE for place in places)


@schemathesis.check
def what_fits_is_accepted(context, response, case):
    """A request that fits its schema is not refused for its form."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    if "" in (case.headers or {}).values():
        return  # The generator takes patterns of headers for optional.
    problem = problem_of(response)
    if case.path == "/api/media" and problem.get("code") in OF_PICTURES:
        return
    assert is_allowed(problem), f"a request that fits was refused: {json.dumps(problem)}"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Some requests that break their schema are answered for another reason before it matters."""
    if type(failure).__name__ != "AcceptedNegativeData":
        return True
    answered_before = response.status_code == 412 or "idempotent-replayed" in response.headers
    # An empty parameter is an absent one.
    sent = urllib.parse.urlsplit(response.request.url).query
    is_empty = any(not value for _, value in urllib.parse.parse_qsl(sent, keep_blank_values=True))
    in_parts = case.path.endswith("/batch") and response.status_code == 200
    return not (answered_before or is_empty or in_parts)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Mostly ids that there are; and nobody is signed in who should not be: the generator registers users of its own."""
    if ROLE == "anonymous":
        for headers in (case.headers, kwargs.get("headers")):
            (headers or {}).pop("Authorization", None)
    kind = next((kind for kind in IDS if f"/api/{kind}/" in case.operation.path), None)
    is_broken = case.meta is None or case.meta.is_negative_at(ParameterLocation.PATH)
    if "id" in case.path_parameters and kind and not is_broken and CHOICE.random() < 0.8:
        case.path_parameters["id"] = CHOICE.choice(IDS[kind])


STATUSES = collections.Counter()


@schemathesis.hook
def after_call(context, case, response):
    STATUSES[response.status_code] += 1


@atexit.register
def tell():
    """How many answers there were of each status."""
    with open(os.environ["CONTRACT_STATUSES"], "w") as file:
        json.dump(STATUSES, file)


if ROLE != "anonymous":
    # Tokens live for 15 minutes.
    @schemathesis.auth(refresh_interval=600)
    class SignedIn:
        def get(self, case, context):
            if ROLE == "key":
                return os.environ["CONTRACT_KEY"]
            body = {"username": ROLE, "password": os.environ["CONTRACT_PASSWORD"]}
            answer = requests.post(f"{BASE}/api/users/login", json=body, timeout=30)
            answer.raise_for_status()
            return answer.json()["accessToken"]

        def set(self, case, data, context):
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
