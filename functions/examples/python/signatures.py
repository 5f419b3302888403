"""Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`."""

import base64
import hashlib
import hmac
import re
import threading
import time

TOLERANCE_SECONDS = 300
MAX_SIGNATURES = 8
MAX_SEEN = 100_000


class Signer:
    """Signs and checks with every live key: `whsec_<base64>`, several separated by a space while they rotate."""

    def __init__(self, secrets, now=time.time):
        self.keys = [key_of(secret) for secret in secrets.split()]
        self.now = now

    def headers(self, id, body):
        """The headers of a message that is sent."""
        timestamp = str(int(self.now()))
        signatures = " ".join(self.signature(key, id, timestamp, body) for key in self.keys)
        return [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signatures)]

    def fault(self, headers, body):
        """What is wrong with the signature of a message that came; None when it is genuine."""
        id, timestamp, signatures = (headers.get(f"webhook-{part}") for part in ("id", "timestamp", "signature"))
        if not id or not timestamp or not signatures:
            return "webhook-id, -timestamp and -signature are required"
        if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(self.now() - int(timestamp)) > TOLERANCE_SECONDS:
            return "webhook-timestamp is more than five minutes off"
        expected = [self.signature(key, id, timestamp, body).encode() for key in self.keys]
        given = [each.encode() for each in signatures.split(" ")[:MAX_SIGNATURES]]
        if any(hmac.compare_digest(one, other) for one in expected for other in given):
            return None
        return "no signature matches; check the secret on both sides"

    @staticmethod
    def signature(key, id, timestamp, body):
        digest = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}"


def key_of(secret):
    """A key that can be guessed is none."""
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError("WEBHOOK_SECRET: expected whsec_ and 24 to 64 octets in base64, or two of these separated by a space")
    return key


class Seen:
    """Tells a replay from what is new for as long as its signature is good, in bounded memory: what is older than all it knows is not new."""

    def __init__(self, now=time.time, limit=MAX_SEEN):
        self.now = now
        self.limit = limit
        self.by_second = {}
        self.size = 0
        self.known_since = 0
        self.lock = threading.Lock()

    def is_first(self, key, timestamp):
        """Whether a message that was signed at `timestamp`, and has been verified, comes for the first time."""
        with self.lock:
            for second in [second for second in self.by_second if second < self.now() - TOLERANCE_SECONDS]:
                self.forget(second)
            while self.size >= self.limit:
                oldest = min(self.by_second)
                self.forget(oldest)
                self.known_since = oldest + 1
            if timestamp < self.known_since or key in self.by_second.get(timestamp, ()):
                return False
            self.by_second.setdefault(timestamp, set()).add(key)
            self.size += 1
            return True

    def forget(self, second):
        self.size -= len(self.by_second.pop(second))
