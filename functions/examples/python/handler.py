"""A function for Rouse in Python, with the standard library alone: python3 handler.py

PORT (default 3000, 0 takes a free one) and HOST (default 127.0.0.1) say where it listens; WEBHOOK_SECRET is the gateway's
(`whsec_...`, two separated by a space while they rotate). FUNCTIONS_UNSIGNED=loopback does without on 127.0.0.1.
It wakes phones: what is registered rings now, and a sleeping phone joins when it registers. For `*43bob` the call waits
instead, until a phone of bob's registers, or half a minute is over.
"""

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from signatures import Seen, Signer

MAX_OCTETS = 4_194_304
WAKE_FOR = "30s"

MANIFEST = {
    "contract": 1,
    "routes": [
        {"method": "INVITE", "path": "/:domain/:user{\\*43.+}"},
        {"method": "INVITE", "path": "/:domain/:user"},
    ],
    "handlers": ["late-fork"],
}


class Refused(Exception):
    """A problem (RFC 9457): the gateway tells people its code and its detail."""

    def __init__(self, status, code, detail):
        super().__init__(detail)
        self.status = status
        self.body = {"type": f"urn:rouse:problem:{code}", "title": code, "status": status, "detail": detail}


def answer(path, invocation):
    """The answer to an invocation; None: not mine."""
    kind, data = invocation["type"], invocation["data"]
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if segments[0] == "on" and len(segments) == 2:
        return named(segments[1], data)
    if segments[0] != "invite" or len(segments) != 3 or kind == "transaction.cancelled":
        return None
    if kind in ("wait.resumed", "wait.timed_out"):
        return resumed(data)
    return waiting(data) if segments[2].startswith("*43") else wake_and_ring(data)


def wake_and_ring(data):
    """The subscription is stored before the push goes out, so that even the quickest phone is not missed."""
    aor, contacts = data["request"]["aor"], data["contacts"]
    targets = [{"uri": contact["uri"], "q": contact["q"]} for contact in contacts]
    actions = [
        {
            "action": "subscribe",
            "event": "contact.registered",
            "filter": {"aor": aor},
            "handler": "late-fork",
            "for": WAKE_FOR,
            "name": "late-fork",
        },
        {"action": "push", "aor": aor},
        {"action": "fork", "targets": targets},
    ]
    if not contacts or any(contact["push"] for contact in contacts):
        actions.append({"action": "halt", "for": WAKE_FOR})
    return {"actions": actions}


def named(name, data):
    if name != "late-fork":
        raise Refused(404, "handler.unknown", "no handler is registered under this name; registered are: late-fork")
    return {"actions": [{"action": "fork", "targets": [data["event"]["attributes"]["contact"]]}]}


def waiting(data):
    """Suspends the call: nothing runs until the gateway invokes the same path again. What is to be remembered is in the context."""
    aor = data["request"]["aor"].replace(":*43", ":", 1)
    wait = {
        "action": "wait",
        "name": "phone",
        "any": [{"event": "contact.registered", "filter": {"aor": aor}}],
        "timeout": WAKE_FOR,
    }
    return {"actions": [wait, {"action": "push", "aor": aor}], "context": {"waits_for": "phone", "aor": aor}}


def resumed(data):
    wait, context = data["wait"], data.get("context")
    if not isinstance(context, dict) or context.get("waits_for") != wait["name"]:
        raise Refused(409, "replay.diverged", "the context does not say that this call waits; it must be echoed as it was given")
    if wait["timedOut"]:
        return {"actions": [{"action": "reply", "status": 480}], "context": {}}
    target = {"uri": wait["event"]["attributes"]["contact"], "aor": context["aor"]}
    return {"actions": [{"action": "fork", "targets": [target]}], "context": {}}


def read_invocation(body):
    """What is read of an invocation is there; unknown fields are ignored."""
    try:
        invocation = json.loads(body)
        data = invocation["data"]
        known = data["contract"] == 1 and invocation["specversion"] == "1.0" and invocation["type"] in TYPES
        whole = all(isinstance(data[key], of) for key, of in (("request", dict), ("contacts", list)))
        whole = whole and isinstance(data.get("path", ""), str)
    except (ValueError, KeyError, TypeError):
        known = whole = False
    if not known or not whole:
        raise Refused(400, "request.invalid", "expected an invocation of contract 1")
    for needed in NEEDED.get(invocation["type"], ()):
        if not isinstance(data.get(needed), dict):
            raise Refused(400, "request.invalid", f"data.{needed}: is missing")
    return invocation


NEEDED = {"wait.resumed": ["wait"], "wait.timed_out": ["wait"], "subscription.matched": ["event"], "branch.failed": ["branch"]}
TYPES = {"sip.request", "transaction.cancelled", *NEEDED}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds for which a sender may say nothing
    wbufsize = -1  # headers and body in one packet: two would wait for each other, 40 ms of a caller's time
    signer = None
    seen = Seen()

    def do_GET(self):
        """Which routes there are is for the gateway alone, too."""
        try:
            self.verified_body()
            if urlsplit(self.path).path != "/.well-known/rouse":
                raise Refused(404, "not_found", "there is nothing at this path")
        except Refused as refused:
            return self.respond(refused.status, refused.body)
        return self.respond(200, MANIFEST)

    def do_POST(self):
        try:
            invocation = read_invocation(self.verified_body())
            self.refuse_replays(invocation)
            # What a URL says is not signed.
            given = answer(invocation["data"].get("path", urlsplit(self.path).path), invocation)
        except Refused as refused:
            return self.respond(refused.status, refused.body)
        except Exception as error:  # what went wrong is for the log of the function, not for the gateway
            self.log_error("%r", error)
            return self.respond(500, Refused(500, "handler.threw", "the handler threw").body)
        return self.respond(200, given) if given is not None else self.respond(204)

    def verified_body(self):
        """The octets as they came: these are what is signed."""
        body = self.read_body()
        fault = self.signer.fault(self.headers, body) if self.signer else self.fault_unsigned()
        if fault:
            raise Refused(401, "request.unauthorized", fault)
        return body

    def read_body(self):
        """A body whose end is not known is not read, and what comes behind it is no request."""
        length = self.headers.get("content-length") or "0"
        if "transfer-encoding" in self.headers or not re.fullmatch("[0-9]{1,12}", length):
            self.close_connection = True
            raise Refused(400, "request.invalid", "expected Content-Length, in octets")
        if int(length) > MAX_OCTETS:
            self.close_connection = True
            raise Refused(413, "request.too_large", f"an invocation has at most {MAX_OCTETS} octets")
        return self.rfile.read(int(length))

    def fault_unsigned(self):
        """A web page whose name was made to resolve to 127.0.0.1 (DNS rebinding) asks for another name."""
        if is_loopback(re.sub(":[0-9]+$", "", self.headers.get("host") or "")):
            return None
        return "FUNCTIONS_UNSIGNED=loopback: only requests to 127.0.0.1 or localhost are taken unsigned"

    def refuse_replays(self, invocation):
        """The gateway's own second try has the same id, but another attempt, and so another signature."""
        if not self.signer:
            return
        id, timestamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        if not self.seen.is_first((id, timestamp, invocation["data"].get("attempt")), int(timestamp)):
            raise Refused(409, "request.replayed", "this invocation was here before; a second try has its own data.attempt")

    def respond(self, status, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        if value is not None:
            self.send_header("content-type", "application/json" if status == 200 else "application/problem+json")
            self.send_header("content-length", str(len(body)))
        for name, text in self.signature(body):
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def signature(self, body):
        """An answer is signed as an invocation is, under the same id."""
        id = self.headers.get("webhook-id")
        return self.signer.headers(id, body) if self.signer and id else []

    def log_request(self, *_):
        """Nothing: one call may be many requests."""


def is_loopback(host):
    return re.fullmatch(r"localhost|127(\.[0-9]{1,3}){3}", host) is not None


def signer_for(host):
    """Whoever cannot tell the gateway from others is better not started."""
    secret = os.environ.get("WEBHOOK_SECRET", "").strip()
    if secret:
        return Signer(secret)
    if os.environ.get("FUNCTIONS_UNSIGNED") == "loopback" and is_loopback(host):
        return None
    raise ValueError("WEBHOOK_SECRET: expected the secret of the gateway, or, on 127.0.0.1, FUNCTIONS_UNSIGNED=loopback")


def main():
    host = os.environ.get("HOST", "127.0.0.1")
    try:
        Handler.signer = signer_for(host)
    except ValueError as error:
        sys.exit(str(error))
    server = ThreadingHTTPServer((host, int(os.environ.get("PORT", "3000"))), Handler)
    print(f"listening on http://{server.server_address[0]}:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
