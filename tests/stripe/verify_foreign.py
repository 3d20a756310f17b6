"""A shop that takes its money by somebody else's double of Stripe, PyPI's localstripe: what a buyer, the staff and a cancelled order do.

It knows no idempotency keys and no notifications of ours, and refuses members that it does not know.
"""

import json
import os
import urllib.parse
import urllib.request

SHOP, STRIPE = os.environ["HOLDFAST_URL"], os.environ["STRIPE_URL"]


def call(url, body=None, headers=(), method=None):
    request = urllib.request.Request(url, body, dict(headers), method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


def shop(method, path, body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return call(SHOP + path, None if body is None else json.dumps(body).encode(), headers, method)


def stripe(path, **form):
    form = {name.replace("__", "[") + ("]" if "__" in name else ""): value for name, value in form.items()}
    body = urllib.parse.urlencode(form).encode()
    return call(STRIPE + path, body, {"Authorization": "Bearer " + os.environ["HOLDFAST_STRIPE_SECRET_KEY"]}, "POST")


def pay(payment):
    """What the buyer's browser does."""
    intent = payment["clientSecret"].split("_secret_")[0]
    card = stripe("/v1/payment_methods", type="card", card__number="4242424242424242", card__exp_month=12, card__exp_year=2040, card__cvc="123")
    stripe(f"/v1/payment_intents/{intent}", payment_method=card["id"])
    stripe(f"/v1/payment_intents/{intent}/confirm")


def expect(what, found, expected):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


admin = shop("POST", "/api/users/login", {"username": "admin", "password": os.environ["HOLDFAST_ADMIN_PASSWORD"]})["accessToken"]
price = {"amount": 1999, "currency": "USD"}
tea = shop("POST", "/api/products", {"name": "Tea", "price": price, "quantity": 10}, admin)


def order(**more):
    placed = shop("POST", "/api/orders", {"items": [{"productId": tea["id"], "quantity": 1}]}, admin)
    return placed, shop("POST", "/api/payments", {"orderId": placed["id"], **more}, admin)


def status(placed):
    return shop("GET", f"/api/orders/{placed['id']}", None, admin)["status"]


placed, payment = order()
expect("a payment that was begun", payment["status"], "pending")
pay(payment)
paid = shop("POST", f"/api/payments/{payment['id']}/sync", {}, admin)
expect("a payment that was made", (paid["status"], paid["captured"]), ("captured", price))
expect("its order", status(placed), "paid")
refund = shop("POST", f"/api/payments/{payment['id']}/refunds", {"amount": 500}, admin)
expect("a refund", refund["status"], "succeeded")

placed, payment = order(capture="manual")
pay(payment)
expect("money set aside", shop("POST", f"/api/payments/{payment['id']}/sync", {}, admin)["status"], "authorized")
expect("its order", status(placed), "placed")
expect("the order when it ships", shop("POST", f"/api/orders/{placed['id']}/ship", {}, admin)["status"], "shipped")
expect("the money then", shop("GET", f"/api/payments/{payment['id']}", None, admin)["status"], "captured")

placed, payment = order()
expect("a payment that was called off", shop("POST", f"/api/payments/{payment['id']}/cancel", {}, admin)["status"], "cancelled")
print("localstripe 1.15.10 takes the shop's money")
