"""A time stamp authority as an anchor (RFC 3161). Evidence is its response, DER, over the SHA-256 of the note.

The authority sees a hash and nothing else. Courts know such stamps; in the EU those of a qualified authority by law. A
stamp says only that a checkpoint existed: it takes witnesses to find two that contradict each other.

`rfc3161-client` is optional: the extra `tsa`.
"""

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography.x509 import Certificate, load_pem_x509_certificates

from consentledger.http.client import HttpFailed, fetch
from consentledger.store.notary import Signed
from services.audit.anchors import STAMP, AnchorRefused, AnchorUnavailable

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

SECONDS = 15.0
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_GRANTED = 0


class StampUnusable(Exception):
    """`rfc3161-client` is not installed, or the roots cannot be read."""


class StampAnchor:
    """One authority."""

    kind = STAMP

    def __init__(self, url: str, roots: Path, every_seconds: int) -> None:
        """`roots` is a PEM file with the certificates that the authority's stamps must lead to. StampUnusable."""
        try:
            import rfc3161_client
        except ImportError:
            raise StampUnusable("time stamps need rfc3161-client: install the extra `tsa`") from None
        try:
            self._roots: list[Certificate] = load_pem_x509_certificates(roots.read_bytes())
        except (OSError, ValueError):
            raise StampUnusable("the certificates of the time stamp authority cannot be read") from None
        self._client = rfc3161_client
        self._url = url
        self.name = urlsplit(url).hostname or ""
        self.every_seconds = every_seconds

    async def submit(self, signed: Signed, before: int) -> bytes:
        """See `Anchor`."""
        builder = self._client.TimestampRequestBuilder(signed.note, self._client.HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        try:
            answer = await fetch("POST", self._url, request.as_bytes(), _HEADERS, seconds=SECONDS)
        except HttpFailed as failure:
            raise AnchorUnavailable(str(failure)) from None
        if answer.status != 200:
            raise AnchorUnavailable(f"status {answer.status}")
        response = self._decode(answer.body)
        if response.status != _GRANTED:
            raise AnchorUnavailable(f"the authority's status is {response.status}")
        self._check(response, signed.note, request.nonce)
        return answer.body

    def verify(self, note: bytes, evidence: bytes) -> int | None:
        """See `Anchor`."""
        response = self._decode(evidence)
        self._check(response, note, None)
        made = response.tst_info.gen_time
        return int((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp())

    def _decode(self, data: bytes) -> "TimeStampResponse":
        try:
            return self._client.decode_timestamp_response(data)
        except ValueError:
            raise AnchorRefused("the answer is no time stamp") from None

    def _check(self, response: "TimeStampResponse", note: bytes, nonce: int | None) -> None:
        try:
            builder = self._client.VerifierBuilder(roots=self._roots, nonce=nonce)
            builder.build().verify_message(response, note)
        except (self._client.VerificationError, ValueError):
            raise AnchorRefused("the time stamp does not hold") from None
