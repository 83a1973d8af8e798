"""What every whole leaf must be, by itself and after those before it: form, type, time, stream, seal."""

from consentledger_verify.entry import (
    EPOCH_STARTED,
    KINDS,
    BadEntry,
    EpochStarted,
    LedgerEntry,
    read_entry,
    read_epoch_started,
)
from consentledger_verify.lines import Header
from consentledger_verify.problems import Caution, Findings, Problem
from consentledger_verify.seals import Seals
from consentledger_verify.streams import Streams


class Rules:
    """Fed with the whole leaves of one export, in order. `latest_ns` is the last time that any may have."""

    def __init__(self, header: Header, latest_ns: int, seals: Seals, found: Findings) -> None:
        self._tenants = header.tenants
        self._sealed = header.ciphertexts
        self._latest_ns = latest_ns
        self._seals = seals
        self._found = found
        self._recorded_ns = -1
        self.streams = Streams(from_start=header.first == 1)
        self.epochs: list[EpochStarted] = []
        """Where the log says that it goes on under a new name."""

    def leaf(self, position: int, leaf: bytes, ciphertext: bytes | None, line: int) -> None:
        """Note what is wrong with the next leaf."""
        try:
            entry = read_entry(leaf)
            if entry.kind == EPOCH_STARTED:
                self.epochs.append(read_epoch_started(entry.header))
        except BadEntry as reason:
            self._found.add(Problem.LEAF, str(reason), position, line=line)
            return
        self._alone(position, entry, line)
        without = self._sealed and ciphertext is None and entry.ciphertext_sha256 != b""
        for problem, text in self.streams.follow(position, entry, without=without):
            self._found.add(problem, text, position, line=line)
        if ciphertext is not None:
            for problem, text in self._seals.check(entry, ciphertext):
                self._found.add(problem, text, position, line=line)

    def _alone(self, position: int, entry: LedgerEntry, line: int) -> None:
        add, kind = self._found.add, KINDS.get(entry.type)
        if kind is None:
            add(Caution.TYPE_UNKNOWN, f"{entry.type} is not known to this version", position, line=line)
        elif kind != entry.kind:
            add(Problem.TYPE, f"{entry.type} has the header of another type", position, line=line)
        # An event about the log itself has no tenant, and is never hidden.
        if self._tenants and entry.tenant and entry.tenant not in self._tenants:
            add(Problem.TENANT, "a whole leaf of a tenant that is not exported", position, line=line)
        if entry.recorded_ns <= self._recorded_ns:
            add(Problem.TIME_ORDER, f"{entry.type} is not later than what is before it", position, line=line)
        self._recorded_ns = entry.recorded_ns
        if entry.recorded_ns > self._latest_ns:
            add(Problem.TIME_FUTURE, f"{entry.type} is recorded later than now", position, line=line)
