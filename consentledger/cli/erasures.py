"""Which persons of an export were being erased while it was made. Pure.

A ciphertext may be gone only from a person whose erasure is in the log, later than the event. Somebody who is erased
while an export is on its way loses ciphertexts that it has not reached yet, by an erasure that it will not reach at
all: its end was fixed when it began. A verifier would have to call that a loss, so such an export is made again.
"""

from consentledger.v1 import audit_service_pb2 as service
from consentledger.v1 import events_pb2 as events

_ERASED = b"subject.erased.v1"


class Erasures:
    """Fed with the entries of one export, in order."""

    def __init__(self) -> None:
        self._without: set[bytes] = set()
        self._erased: set[bytes] = set()

    def see(self, entry: service.ExportEntry) -> None:
        """The next entry."""
        if not entry.leaf or (entry.ciphertext and _ERASED not in entry.leaf):
            return
        leaf = events.LedgerEntry.FromString(entry.leaf)
        if leaf.type.encode() == _ERASED:
            self._without.discard(leaf.stream)
            self._erased.add(leaf.stream)  # a read recorded while the erasure runs loses its ciphertext too
        elif leaf.ciphertext_sha256 and not entry.ciphertext and leaf.stream not in self._erased:
            self._without.add(leaf.stream)

    @property
    def unexplained(self) -> bool:
        """Whether ciphertexts are gone of somebody whose erasure is not in the export."""
        return bool(self._without)
