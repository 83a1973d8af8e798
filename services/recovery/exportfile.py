"""Reading an export of `consentledger audit export`, to put its events back. The form is in docs/export-format.md.

Nothing here decides whether what is read is true: the root does, when everything is in place. The last line shows that
the file is whole, and that it was not cut or mixed up on the way.
"""

import json
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from consentledger.store.ledger import StoreUnavailable

FORMAT = "consent-ledger-export@v1"
_LONGEST_LINE = 4 << 20


class BadExport(StoreUnavailable):
    """Not an export, not a whole one, or one that cannot be used here. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Header:
    """Of what is used here."""

    log: str
    vkeys: tuple[str, ...]
    """One for each name that the log has had, the newest last."""
    checkpoint: bytes
    """A signed note that covers all of it."""
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Line:
    """One event."""

    position: int
    leaf: bytes
    ciphertext: bytes | None


class ExportFile:
    """An open export. Use as a context."""

    def __init__(self, path: Path) -> None:
        try:
            self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115 - closed by leaving the context
        except OSError as error:
            raise BadExport(f"{path}: {error.strerror}") from None
        self._name = path.name
        self._sha = sha256()
        try:
            self.header = self._header(self._line())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "ExportFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def lines(self) -> Iterator[Line]:
        """Every event. Raises BadExport, at the latest after the last one, if the file is not whole."""
        for position in range(self.header.first, self.header.last + 1):
            yield self._entry(position, self._line())
        before = self._sha.hexdigest()
        end = self._parsed(self._raw())
        if (end.get("end"), end.get("sha256")) != (self.header.last, before) or self._file.readline(1):
            raise self._bad("is not whole: its last line is of another content")

    def _raw(self) -> bytes:
        raw = self._file.readline(_LONGEST_LINE)
        if not raw.endswith(b"\n"):
            raise self._bad("is cut off")
        return raw

    def _line(self) -> dict[str, Any]:
        raw = self._raw()
        self._sha.update(raw)
        return self._parsed(raw)

    def _parsed(self, raw: bytes) -> dict[str, Any]:
        try:
            found = json.loads(raw)
        except ValueError:
            raise self._bad("holds a line that is no JSON") from None
        if not isinstance(found, dict):
            raise self._bad("holds a line of another form")
        return found

    def _header(self, found: dict[str, Any]) -> Header:
        if found.get("format") != FORMAT:
            raise self._bad("is no export of a form that is known here")
        try:
            header = Header(
                str(found["log"]),
                tuple(str(one) for one in found["vkeys"]),
                str(found["checkpoint"]).encode(),
                int(found["first"]),
                int(found["last"]),
            )
        except (KeyError, TypeError, ValueError):
            raise self._bad("has a header of another form") from None
        if found.get("tenants"):
            raise self._bad("holds the leaves of some tenants only: the others cannot be made from hashes")
        if not found.get("ciphertexts"):
            raise self._bad("holds no ciphertexts: export with --ciphertexts")
        return header

    def _entry(self, position: int, found: dict[str, Any]) -> Line:
        try:
            leaf, sealed = b64decode(found["leaf"], validate=True), found.get("ct")
            ciphertext = b64decode(sealed, validate=True) if sealed is not None else None
        except (KeyError, TypeError, ValueError, Error):
            raise self._bad(f"has no whole event at position {position}") from None
        if found.get("i") != position or not leaf:
            raise self._bad(f"does not go on with position {position}")
        return Line(position, leaf, ciphertext)

    def _bad(self, why: str) -> BadExport:
        return BadExport(f"the export {self._name} {why}")
