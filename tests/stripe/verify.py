"""Pays, captures, cancels and refunds by PyPI's stripe, loses answers on the way, and verifies what is delivered."""

import http.server
import json
import os
import queue
import threading
import urllib.request

import stripe

URL, ENDPOINT = os.environ["STRIPE_URL"], os.environ["STRIPE_ENDPOINT"]
SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]
heard = queue.Queue()


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Refuses the first, and takes all others."""

    has_refused = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        heard.put((body, self.headers["stripe-signature"]))
        self.send_response(200 if Endpoint.has_refused else 503)
        Endpoint.has_refused = True
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def double(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/double/{path}", data), timeout=30) as answer:
        return json.load(answer)


def client(key=os.environ["STRIPE_KEY"], retries=0):
    return stripe.StripeClient(key, base_addresses={"api": URL}, max_network_retries=retries).v1


def refused(kind, code, ask):
    try:
        ask()
    except kind as error:
        assert error.code == code, error
        return error
    raise SystemExit(f"{code} was expected")


host, port = ENDPOINT.split(":")
server = http.server.ThreadingHTTPServer((host, int(port)), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
double("webhook", {"url": f"http://{ENDPOINT}/hooks", "secret": SECRET})
shop = client()
intents, refunds = shop.payment_intents, shop.refunds
card = {"currency": "eur", "payment_method_types": ["card"]}
invalid = stripe.InvalidRequestError

made = intents.create({"amount": 1000, "metadata": {"order": "8"}, **card})
assert (made.status, made.metadata["order"]) == ("requires_payment_method", "8")
declined = refused(stripe.CardError, "card_declined", lambda: intents.confirm(made.id, {"payment_method": "pm_card_chargeDeclined"}))
assert declined.http_status == 402 and declined.error.decline_code == "generic_decline", declined
paid = intents.confirm(made.id, {"payment_method": "pm_card_visa"})
assert (paid.status, intents.retrieve(made.id).amount_received) == ("succeeded", 1000)
refused(invalid, "payment_intent_unexpected_state", lambda: intents.cancel(made.id))

manual = {"amount": 500, "capture_method": "manual", "confirm": True, "payment_method": "pm_card_visa", **card}
reserved = intents.create(manual)
assert (reserved.status, reserved.amount_capturable) == ("requires_capture", 500)
assert intents.capture(reserved.id).amount_received == 500
assert intents.cancel(intents.create(manual).id).status == "canceled"

key = {"idempotency_key": "refund 8"}
first = refunds.create({"payment_intent": made.id, "amount": 400}, key)
again = refunds.create({"payment_intent": made.id, "amount": 400}, key)
assert first.id == again.id and again.last_response.headers["idempotent-replayed"] == "true"
mismatch = refused(stripe.IdempotencyError, None, lambda: refunds.create({"payment_intent": made.id, "amount": 401}, key))
assert mismatch.http_status == 400, mismatch
over = refused(invalid, None, lambda: refunds.create({"payment_intent": made.id, "amount": 601}))
assert "greater than unrefunded amount" in str(over), over
double("faults", {"next": ["answer_lost"]})
client(retries=2).refunds.create({"payment_intent": made.id, "amount": 100})
double("faults", {"refund_pending": 1})
last = refunds.create({"payment_intent": made.id})
assert (last.amount, last.status) == (500, "pending")
double(f"refunds/{last.id}", {"status": "succeeded"})
refused(invalid, "charge_already_refunded", lambda: refunds.create({"payment_intent": made.id}))
amounts = [refund.amount for refund in refunds.list({"payment_intent": made.id, "limit": 1}).auto_paging_iter()]
assert amounts == [500, 100, 400], amounts

refused(invalid, "resource_missing", lambda: intents.retrieve("pi_nobody"))
refused(invalid, "parameter_unknown", lambda: intents.create({"amount": 1, "colour": "red", **card}))
refused(stripe.AuthenticationError, None, lambda: client("sk_test_coffee").payment_intents.list())
double("faults", {"next": ["rate_limited"]})
refused(stripe.RateLimitError, None, lambda: intents.create({"amount": 1, **card}))

books = {intent["id"]: intent for intent in double("books")["intents"]}
assert (books[made.id]["amount_received"], books[made.id]["amount_refunded"]) == (1000, 1000), books[made.id]

kinds = {}
while "refund.updated" not in kinds:
    body, signature = heard.get(timeout=30)
    event = stripe.Webhook.construct_event(body, signature, SECRET)
    kinds.setdefault(event.type, []).append(event.id)
ids = [each for events in kinds.values() for each in events]
assert len(ids) == len(set(ids)) + 1, "what was refused comes again, and nothing else does"
changed = bytearray(body)
changed[len(body) // 2] ^= 1
try:
    stripe.Webhook.construct_event(bytes(changed), signature, SECRET)
    raise SystemExit("the client takes what was changed")
except stripe.SignatureVerificationError:
    pass
print(f"stripe (PyPI) {stripe.VERSION} takes the double for Stripe")
