"""Takes a second factor, confirms it with a code of pyotp, and signs in with codes of pyotp and of oathtool, and with one for recovery."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import pyotp

SHOP = os.environ["HOLDFAST_URL"]
PASSWORD = "a tea drinker's phrase"


def ask(path, body, token=None):
    """The status and the answer."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(SHOP + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def begin_login():
    status, refusal = ask("/api/users/login", {"username": "ada", "password": PASSWORD})
    assert (status, refusal["code"]) == (401, "mfa-required"), refusal
    return refusal["mfaToken"]


def sign_in(code):
    return ask("/api/users/login/mfa", {"mfaToken": begin_login(), "code": code})


ask("/api/users/register", {"username": "ada", "password": PASSWORD})
token = ask("/api/users/login", {"username": "ada", "password": PASSWORD})[1]["accessToken"]
begun = ask("/api/users/me/mfa", {"password": PASSWORD}, token)[1]
app = pyotp.parse_uri(begun["otpauthUrl"])
assert (app.secret, app.name, app.issuer) == (begun["secret"], "ada", "holdfast"), begun
assert (app.digits, app.interval) == (6, 30), begun
# The interval before, so that the one of now and the one after are still good.
while time.time() % 30 > 25:
    time.sleep(0.2)
previous = app.at(int(time.time()) - 30)
status, confirmed = ask("/api/users/me/mfa/confirm", {"code": previous}, token)
assert status == 200 and len(confirmed["recoveryCodes"]) == 10, confirmed
status, refused = sign_in(previous)
assert (status, refused["code"]) == (401, "invalid-credentials"), "a code is good once"

status, session = sign_in(app.now())
assert status == 200 and session["user"]["username"] == "ada", session
command = ["oathtool", "--totp", "--base32", "--now", "now + 30 seconds", begun["secret"]]
code = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
status, session = sign_in(code)
assert status == 200 and session["user"]["mfaEnabled"] is True, session
status, session = sign_in(confirmed["recoveryCodes"][3])
assert status == 200, session
assert sign_in(confirmed["recoveryCodes"][3])[0] == 401, "a code for recovery is good once"
