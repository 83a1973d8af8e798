"""AWS KMS's `Encrypt` and `Decrypt` over HTTP on loopback, for `boto3`: for tests only.

It is not AWS: it answers as the service's API reference says, under real AES-256-GCM keys. Requests are not
authenticated.
"""

import base64
import contextlib
import json
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MOST_BYTES = 4_096
"""The service's limit on what one call encrypts."""


class Kms:
    """Keys by ARN."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.keys: dict[str, AESGCM] = {}

    def make(self) -> str:
        """A new key; the URI that Tink knows it by."""
        arn = f"arn:aws:kms:eu-central-1:000000000000:key/{secrets.token_hex(8)}"
        self.keys[arn] = AESGCM(secrets.token_bytes(32))
        return f"aws-kms://{arn}"

    def answer(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(status, body) of one call."""
        arn, aad = asked["KeyId"], json.dumps(asked.get("EncryptionContext", {}), sort_keys=True).encode()
        if arn not in self.keys:
            return 400, {"__type": "NotFoundException"}
        if action == "TrentService.Encrypt":
            plain = base64.b64decode(asked["Plaintext"])
            if len(plain) > MOST_BYTES:
                return 400, {"__type": "ValidationException"}
            nonce = secrets.token_bytes(12)
            blob = nonce + self.keys[arn].encrypt(nonce, plain, aad)
            return 200, {"KeyId": arn, "CiphertextBlob": base64.b64encode(blob).decode()}
        blob = base64.b64decode(asked["CiphertextBlob"])
        try:
            plain = self.keys[arn].decrypt(blob[:12], blob[12:], aad)
        except (InvalidTag, ValueError):
            return 400, {"__type": "InvalidCiphertextException"}
        return 200, {"KeyId": arn, "Plaintext": base64.b64encode(plain).decode()}


@contextlib.contextmanager
def kms() -> Iterator[Kms]:
    """A service that listens; clients find it by `AWS_ENDPOINT_URL_KMS`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = service.answer(self.headers["X-Amz-Target"], asked)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = Kms(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
