"""The transit engine of Vault and OpenBao over HTTP on loopback, as far as sealing needs it: for tests only.

It is not a Vault: neither binary is to be had where these tests run. It answers as the engine's documentation and the
sources of OpenBao 2 say (paths, fields, status codes, error texts, which step is refused when), and its keys are real
AES-256-GCM keys. With `CONSENTLEDGER_TEST_VAULT_ADDR` and `CONSENTLEDGER_TEST_VAULT_TOKEN`, a token that may do
everything on the mount `transit`, the contract suite runs on a real server instead.

    with transit() as vault:
        vault.make("a-key")
        vault.lose(b"/rotate", applied=True)   # the next such call is carried out, and its answer is lost
"""

import base64
import contextlib
import json
import os
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consentledger.settings import VaultSettings


class Refusal(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text


class Key:
    """A named key with its versions."""

    def __init__(self) -> None:
        self.versions = {1: AESGCM(secrets.token_bytes(32))}
        self.latest = 1
        self.least_decryption = 1
        self.least_encryption = 0
        self.least_available = 0

    def encrypt(self, asked: dict[str, Any]) -> dict[str, Any]:
        nonce = secrets.token_bytes(12)
        sealed = self.versions[self.latest].encrypt(nonce, _bytes(asked["plaintext"]), _aad(asked))
        return {"ciphertext": f"vault:v{self.latest}:{_text(nonce + sealed)}", "key_version": self.latest}

    def decrypt(self, asked: dict[str, Any]) -> dict[str, Any]:
        if not asked["ciphertext"].startswith("vault:v"):
            raise Refusal(400, "invalid ciphertext: no prefix")
        version, _, rest = asked["ciphertext"].removeprefix("vault:v").partition(":")
        if int(version) > self.latest:
            raise Refusal(400, "invalid ciphertext: version is too new")
        if int(version) < self.least_decryption:
            raise Refusal(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            raw = _bytes(rest)
        except ValueError:
            raise Refusal(400, "invalid ciphertext: could not decode base64") from None
        if len(raw) < 12:
            raise Refusal(400, "invalid ciphertext length")
        try:
            return {"plaintext": _text(self.versions[int(version)].decrypt(raw[:12], raw[12:], _aad(asked)))}
        except InvalidTag:
            raise Refusal(400, "cipher: message authentication failed") from None

    def rotate(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.latest += 1
        self.versions[self.latest] = AESGCM(secrets.token_bytes(32))
        return self.read({})

    def config(self, asked: dict[str, Any]) -> dict[str, Any]:
        decryption = asked.get("min_decryption_version", self.least_decryption)
        encryption = asked.get("min_encryption_version", self.least_encryption)
        if max(decryption, encryption) > self.latest:
            raise Refusal(400, f"cannot set min version, latest key version is {self.latest}")
        if 0 < encryption < decryption:
            raise Refusal(400, "min encryption version must be greater than or equal to min decryption version")
        if self.least_available > min(decryption, encryption):
            raise Refusal(400, "min version should not be less than min available version")
        self.least_decryption, self.least_encryption = decryption, encryption
        return self.read({})

    def trim(self, asked: dict[str, Any]) -> dict[str, Any]:
        least = asked["min_available_version"]
        if least < max(self.least_available, 1):
            raise Refusal(400, "minimum available version cannot be decremented")
        if least > min(self.least_decryption, self.least_encryption):
            raise Refusal(400, "minimum available version cannot be greater than minimum decryption version")
        self.least_available = least
        self.versions = {number: key for number, key in self.versions.items() if number >= least}
        return self.read({})

    def read(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "aes256-gcm96", "latest_version": self.latest, "min_available_version": self.least_available,
            "min_decryption_version": self.least_decryption, "min_encryption_version": self.least_encryption,
            "keys": {str(number): 0 for number in self.versions},
        }  # fmt: skip


class Transit:
    """One engine, mounted at `transit`."""

    def __init__(self, address: str) -> None:
        self.settings = VaultSettings(address=address, token=secrets.token_hex(12))
        self.keys: dict[str, Key] = {}
        self.asked: list[str] = []
        """`METHOD path` of every call."""
        self.sealed = False
        """Whether it answers nothing, as a Vault does that waits to be unsealed."""
        self._lost: tuple[str, bool] | None = None

    def make(self, name: str) -> None:
        """A new key of the default type."""
        self.keys[name] = Key()

    def lose(self, path: str, *, applied: bool) -> None:
        """Cut the connection of the next call whose path ends so: before it is carried out, or after."""
        self._lost = (path, applied)

    def answer(self, method: str, path: str, token: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """What the engine says; None to cut the connection."""
        self.asked.append(f"{method} {path}")
        lost, self._lost = (self._lost, None) if self._lost and path.endswith(self._lost[0]) else (None, self._lost)
        if lost and not lost[1]:
            return None
        if self.sealed:
            raise Refusal(503, "Vault is sealed")
        if token != self.settings.token:
            raise Refusal(403, "permission denied")
        done = self._do(method, path.removeprefix("/v1/transit/").split("/"), asked)
        return None if lost else done

    def _do(self, method: str, words: list[str], asked: dict[str, Any]) -> dict[str, Any]:
        do = {
            ("POST", "encrypt"): Key.encrypt, ("POST", "decrypt"): Key.decrypt, ("POST", "rotate"): Key.rotate,
            ("POST", "config"): Key.config, ("POST", "trim"): Key.trim, ("GET", "keys"): Key.read,
        }.get((method, words[2] if len(words) == 3 else words[0]))  # fmt: skip
        if do is None:
            raise Refusal(404, "no handler for route")
        if words[1] not in self.keys:
            raise Refusal(404 if method == "GET" else 400, "encryption key not found")
        return do(self.keys[words[1]], asked)


@contextlib.contextmanager
def transit() -> Iterator[Transit]:
    """An engine that listens."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            try:
                answer = engine.answer(self.command, self.path, self.headers.get("X-Vault-Token", ""), body)
                if answer is None:
                    return
                self._say(200, {"request_id": secrets.token_hex(8), "lease_id": "", "data": answer, "warnings": None})
            except Refusal as refusal:
                self._say(refusal.status, {"errors": [refusal.text]})

        do_GET = do_POST = do_PUT = _serve

        def _say(self, status: int, content: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine = Transit(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()


def real() -> VaultSettings | None:
    """A server of the developer's own, if the environment names one."""
    address = os.environ.get("CONSENTLEDGER_TEST_VAULT_ADDR")
    return VaultSettings(address=address, token=os.environ["CONSENTLEDGER_TEST_VAULT_TOKEN"]) if address else None


def _aad(asked: dict[str, Any]) -> bytes | None:
    return _bytes(asked["associated_data"]) if asked.get("associated_data") else None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
