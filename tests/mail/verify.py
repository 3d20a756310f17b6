"""A mail server that is not ours takes the letters of a shop, and Python reads them as a mail program does."""

import email
import email.policy
import html.parser
import json
import logging
import os
import re
import ssl
import time
import urllib.request

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

SHOP = os.environ["HOLDFAST_URL"]
WAY = os.environ["MAIL_WAY"]
PORT = int(os.environ["MAIL_PORT"])
FOLDER = os.environ["MAIL_FOLDER"]
NAME = "Žofie Nováková"


class Server:
    """Takes letters, but for one address."""

    def __init__(self):
        self.letters = []
        self.logins = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        assert (session.ssl is not None) == WAY.startswith("smtp://shop"), "STARTTLS was left out"
        # RFC 5322, §2.1.1.
        assert all(len(line) <= 998 for line in envelope.content.split(b"\r\n"))
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.append((envelope.rcpt_tos, letter))
        return "250 taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"shop", b"s@me word")
        self.logins.add(good)
        return AuthResult(success=good)

    def to(self, address, count):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = [letter for to, letter in self.letters if to == [address]]
            if len(found) >= count:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{count} letters to {address} have not come: {self.letters}")


def ask(method, path, body=None, token=None):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(SHOP + path, data, headers, method=method), timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


class Words(html.parser.HTMLParser):
    """The words of a page, and where its links lead."""

    def __init__(self, page):
        super().__init__()
        self.words, self.links = "", []
        self.feed(page)
        self.close()

    def handle_data(self, data):
        self.words += data

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name == "href"]


def read(letter):
    """The text of a letter, once it is as letters must be."""
    assert not letter.defects, letter.defects
    assert letter["From"].addresses[0].addr_spec == "shop@example.com"
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.com>", letter["Message-ID"]), letter["Message-ID"]
    assert abs(letter["Date"].datetime.timestamp() - time.time()) < 600
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "multipart/alternative"
    plain, page = letter.get_body(("plain",)), letter.get_body(("html",))
    words = Words(page.get_content())
    links = re.findall(r"https?://\S+", plain.get_content())
    assert links and set(links) <= set(words.links), (links, words.links)
    return plain.get_content(), words, links[0]


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(f"{FOLDER}/server.pem", f"{FOLDER}/server.key")
    return made


def server_of(handler):
    """In the clear, or as the shop is told to come."""
    where = {"hostname": "localhost", "port": PORT}
    if "@" not in WAY:
        return Controller(handler, **where)
    login = {"authenticator": handler.authenticate, "auth_required": True}
    if WAY.startswith("smtps"):
        return Controller(handler, ssl_context=context(), auth_require_tls=False, **login, **where)
    return Controller(handler, tls_context=context(), require_starttls=True, **login, **where)


def main():
    logging.disable()
    server = Server()
    controller = server_of(server)
    controller.start()
    admin = ask("POST", "/api/users/login", {"username": "admin", "password": os.environ["HOLDFAST_ADMIN_PASSWORD"]})["accessToken"]
    price = {"amount": 1999, "currency": "EUR"}
    product = ask("POST", "/api/products", {"name": "Čaj <zelený>", "price": price, "quantity": 10}, admin)
    person = {"username": "zofie", "password": "a fine passphrase", "email": "zofie@example.org", "name": NAME}
    ask("POST", "/api/users/register", person)
    token = ask("POST", "/api/users/login", {"username": "zofie", "password": "a fine passphrase"})["accessToken"]

    verification = server.to("zofie@example.org", 1)[0]
    _, _, link = read(verification)
    ask("POST", "/api/users/email-verification", {"token": link.rsplit("/", 1)[1]})
    assert ask("GET", "/api/users/me", None, token)["emailVerified"] is True

    items = [{"productId": product["id"], "quantity": 2}]
    order = ask("POST", "/api/orders", {"items": items}, token)
    placed = server.to("zofie@example.org", 2)[1]
    assert placed["To"].addresses[0].display_name == NAME, placed["To"]
    assert placed["Subject"] == f"Your order {order['number']}"
    text, words, link = read(placed)
    assert NAME in text and "2 x Čaj <zelený>: 39.98 EUR" in text, text
    assert "2 × Čaj <zelený>" in words.words, words.words
    status = ask("POST", "/api/orders/status", {"token": link.rsplit("/", 1)[1]})
    assert (status["number"], status["status"]) == (order["number"], "placed")

    ask("POST", "/api/users/password-reset/request", {"email": "zofie@example.org"})
    _, _, link = read(server.to("zofie@example.org", 3)[2])
    ask("POST", "/api/users/password-reset", {"resetToken": link.rsplit("/", 1)[1], "newPassword": "another fine passphrase"})
    ask("POST", "/api/users/login", {"username": "zofie", "password": "another fine passphrase"})

    # One that the server never takes holds up no other.
    token = ask("POST", "/api/users/login", {"username": "zofie", "password": "another fine passphrase"})["accessToken"]
    refused = ask("POST", "/api/orders", {"items": items, "email": "nobody@example.org"}, token)
    ask("POST", "/api/orders", {"items": items, "email": "somebody@example.org"}, token)
    read(server.to("somebody@example.org", 1)[0])
    deadline = time.monotonic() + 30
    while not (found := ask("GET", f"/api/letters?status=failed&orderId={refused['id']}", None, admin)["items"]):
        assert time.monotonic() < deadline, "the letter to nobody has not failed"
        time.sleep(0.1)
    assert "no such mailbox here" in found[0]["problem"], found
    assert server.logins == ({True} if "@" in WAY else set()), server.logins
    controller.stop()
    print(f"{len(server.letters)} letters by {WAY.split('@')[0].split(':')[0]}{' with a password' if '@' in WAY else ''}: read as they were written")


main()
