"""How an export is written: `consent-ledger-export@v1`, JSON lines of one spelling (docs/export-format.md).

The verifier reads it with code of its own. A line:

    {"i":17,"leaf":"…"}    {"i":18,"leaf":"…","ct":"…"}    {"i":19,"hash":"…"}
"""

import json
from binascii import b2a_base64
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import IO

from consentledger.v1 import audit_service_pb2 as service

FORMAT = "consent-ledger-export@v1"


class ExportWriter:
    """Writes one export to a file, as its parts come."""

    def __init__(self, file: IO[bytes], header: service.ExportHeader, *, ciphertexts: bool) -> None:
        """`ciphertexts` says whether they were asked for."""
        self._file = file
        self._digest = sha256()
        self._last = header.last
        self.position = header.first - 1
        """The last one written."""
        self._write(header_line(header, ciphertexts=ciphertexts))

    def entries(self, entries: Iterable[service.ExportEntry]) -> None:
        """The next positions."""
        lines = list(entry_lines(self.position + 1, entries))
        self.position += len(lines)
        self._write(b"".join(lines))

    def finish(self) -> bool:
        """Write the last line; False, and nothing is written, if positions are missing."""
        if self.position != self._last:
            return False
        self._file.write(_line({"end": self._last, "sha256": self._digest.hexdigest()}))
        return True

    def _write(self, lines: bytes) -> None:
        self._digest.update(lines)
        self._file.write(lines)


def header_line(header: service.ExportHeader, *, ciphertexts: bool) -> bytes:
    """The first line."""
    return _line(
        {
            "format": FORMAT,
            "log": header.log,
            "vkeys": list(header.vkeys),
            "checkpoint": header.checkpoint.decode(),
            "first": header.first,
            "last": header.last,
            "edge": [_text(one) for one in header.edge],
            "consistency": [_text(one) for one in header.consistency],
            "tenants": list(header.tenants),
            "ciphertexts": ciphertexts,
            "cosignatures": header.cosignatures.decode(),
        }
    )


def entry_lines(first: int, entries: Iterable[service.ExportEntry]) -> Iterator[bytes]:
    """A line for each entry; `first` is the position of the first."""
    for position, entry in enumerate(entries, first):
        if not (leaf := entry.leaf):
            yield b'{"i":%d,"hash":"%b"}\n' % (position, b2a_base64(entry.leaf_hash, newline=False))
        elif ciphertext := entry.ciphertext:
            leaf, ciphertext = b2a_base64(leaf, newline=False), b2a_base64(ciphertext, newline=False)
            yield b'{"i":%d,"leaf":"%b","ct":"%b"}\n' % (position, leaf, ciphertext)
        else:
            yield b'{"i":%d,"leaf":"%b"}\n' % (position, b2a_base64(leaf, newline=False))


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
