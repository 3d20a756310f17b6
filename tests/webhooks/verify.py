"""Makes a webhook, lets something happen, and verifies what is delivered: signature, time, retries, and both secrets of a rotation."""

import http.server
import json
import os
import queue
import threading
import urllib.request

from standardwebhooks import Webhook, WebhookVerificationError

SHOP, ENDPOINT = os.environ["HOLDFAST_URL"], os.environ["HOLDFAST_ENDPOINT"]
heard = queue.Queue()
token = None


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Takes everything but the first."""

    has_refused = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        status = 200 if Endpoint.has_refused else 503
        Endpoint.has_refused = True
        heard.put((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def ask(path, body):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(SHOP + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def product(name):
    return ask("/api/products", {"name": name, "price": {"amount": 700, "currency": "EUR"}, "quantity": 1})


host, port = ENDPOINT.split(":")
server = http.server.ThreadingHTTPServer((host, int(port)), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
token = ask("/api/users/login", {"username": "admin", "password": os.environ["HOLDFAST_ADMIN_PASSWORD"]})["accessToken"]
webhook = ask("/api/webhooks", {"url": f"http://{ENDPOINT}/hooks", "types": ["product.created"]})
tea = product("Assam")

refused, taken = heard.get(timeout=30), heard.get(timeout=30)
assert refused[1]["webhook-id"] == taken[1]["webhook-id"], "the same over retries"
for body, headers in (refused, taken):
    event = Webhook(webhook["secret"]).verify(body, headers)
    assert (event["type"], event["subject"]) == ("product.created", tea["id"]), event
try:
    Webhook(webhook["secret"]).verify(taken[0].replace("Assam", "Ceylon"), taken[1])
    raise SystemExit("the library takes what was changed")
except WebhookVerificationError:
    pass

rotated = ask(f"/api/webhooks/{webhook['id']}/rotate", {"overlapSeconds": 3600})
product("Ceylon")
body, headers = heard.get(timeout=30)
for secret in (webhook["secret"], rotated["secret"]):
    Webhook(secret).verify(body, headers)
print("standardwebhooks (PyPI) verifies what is delivered")
