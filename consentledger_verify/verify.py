"""Verifies one export, in one pass, with memory that grows with the number of streams and not with that of events.

The order is that of the file: the header says what is claimed and who signed it; each line is checked against those
before it; at the end the tree, the pins and the receipts are settled. One problem does not hide the next, but for a
line that cannot be read, which ends everything.
"""

from collections.abc import Mapping
from typing import BinaryIO

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.proofs import ProofError, verify_consistency
from consentledger.tlog.tree import BadEdge, Edge
from consentledger_verify.anchors import Anchors
from consentledger_verify.canonical import Malformed
from consentledger_verify.lines import ExportFile, Header
from consentledger_verify.overview import HOUR_NS, Asked, Overview
from consentledger_verify.problems import Caution, Check, Problem
from consentledger_verify.rules import Rules
from consentledger_verify.seals import Seals
from consentledger_verify.streams import Streams
from consentledger_verify.tree import Tree
from consentledger_verify.trust import Distrusted, Trust, trust_of_file

_SECOND = 1_000_000_000


def verify(file: BinaryIO, asked: Asked) -> Overview:
    """Read the export to its end and say what holds. Raises nothing for any content of the file."""
    verification = _Verification(ExportFile(file), Overview(asked))
    try:
        verification.run()
    except Malformed as reason:
        position = reason.position or verification.expected
        verification.view.found.add(reason.problem, reason.text, position, line=reason.line)
    return verification.view


class _Verification:
    def __init__(self, file: ExportFile, view: Overview) -> None:
        self.file = file
        self.view = view
        self.expected: int | None = None
        """The next position, once the header was read."""
        self._found = view.found
        self._latest_ns = view.asked.now_ns

    def run(self) -> None:
        header = self.view.header = self.file.header()
        self.expected = header.first
        trust = self._trust(header)
        self._checkpoint(header, trust)
        anchors = Anchors(self.view.asked.pins, self.view.asked.receipts, trust, self._found)
        tree = self._tree(header, anchors)
        seals = Seals(self.view.asked.keys)
        rules = Rules(header, self._latest_ns + self.view.asked.skew_ns, seals, self._found)
        self._entries(header, rules, anchors, tree)
        self.view.finished = True
        self.view.opened = seals.opened
        self._end(header)
        edge = tree.finish() if tree else None
        roots = tree.roots if tree else {}
        good = anchors.settle(header, self.view.checkpoint, roots, rules.epochs)
        self.view.anchored, self.view.honoured = len(good), anchors.honoured
        self._root(header, edge, good, roots)
        self._erasures(header, rules.streams)

    def _trust(self, header: Header) -> Trust:
        trust = self.view.asked.trust
        if trust is None:
            try:
                trust = trust_of_file(header.vkeys)
            except Distrusted as reason:
                self._found.add(reason.problem, reason.text)
                trust = Trust("the file itself", from_file=True)
            self._found.add(Caution.TRUST_FROM_FILE, "whoever made the file chose the key that it is checked against")
        self.view.trust = trust
        return trust

    def _checkpoint(self, header: Header, trust: Trust) -> None:
        """Who has signed what the export claims to be, and when: nothing in it may be later."""
        view = self.view
        try:
            result = trust.open(header.checkpoint + header.cosignatures)
        except Distrusted as reason:
            self._found.add(reason.problem, reason.text)
            view.checkpoint = reason.checkpoint
            view.open.add(Check.WITNESSES)
            return
        view.checkpoint, view.witnesses = result.checkpoint, result.witnesses
        view.signers = tuple(dict.fromkeys(key.name for key in result.logs))
        if not trust.witnessed:
            view.open.add(Check.WITNESSES)
        elif not result.quorum:
            self._found.add(Problem.QUORUM, f"{len(result.witnesses)} witnesses cosigned; the policy asks for more")
        if stated := [time for time in result.witnesses.values() if time]:
            self._latest_ns = max(stated) * _SECOND

    def _tree(self, header: Header, anchors: Anchors) -> Tree | None:
        try:
            edge = Edge(header.first - 1, header.edge)
        except BadEdge:
            self._found.add(Problem.RANGE, "the edge is not one of the events before the first")
            return None
        return Tree(edge, [*anchors.sizes(), *([self.view.checkpoint.size] if self.view.checkpoint else [])])

    def _entries(self, header: Header, rules: Rules, anchors: Anchors, tree: Tree | None) -> None:
        found, view, spoken, expected = self._found, self.view, anchors.expects(), header.first
        for position, leaf, more in self.file.entries():
            line = self.file.line
            if position != expected:
                text = f"position {position} where {expected} was to come"
                found.add(Problem.POSITION, text, min(position, expected), line=line)
            self.expected = expected = position + 1
            view.events += 1
            hashed = leaf_hash(leaf) if leaf is not None else more or b""
            if tree is not None:
                tree.add(hashed)
            if position in spoken:
                anchors.stands(position, hashed, header, line, redacted=leaf is None)
            if leaf is not None:
                rules.leaf(position, leaf, more, line)
                continue
            view.redacted += 1
            if not header.tenants:
                found.add(Problem.REDACTED, "only a hash, in an export of all tenants", position, line=line)

    def _end(self, header: Header) -> None:
        if self.file.end != header.last or self.expected != header.last + 1:
            text = f"the export ends before position {header.last}, or after it"
            first = min(self.expected or 1, header.last + 1)
            self._found.add(Problem.POSITION, text, first, line=self.file.line)
        if not self.file.as_written:
            self._found.add(Problem.FILE_CHANGED, "the digest on the last line is not that of the lines before it")

    def _root(self, header: Header, edge: Edge | None, good: list[int], roots: Mapping[int, bytes]) -> None:
        """That the leaves are those of the checkpoint: the same tree, or the beginning of it."""
        newest = self.view.checkpoint
        if edge is None or newest is None:
            self.view.open.add(Check.TREE)
            return
        if roots.get(newest.size) == newest.root:
            good = [*good, newest.size]
        problem, text = self._differs(header, newest, edge)
        if problem is not None:
            start = max((size for size in good if size < header.last), default=0) + 1
            self._found.add(problem, text, start, last=max(start, header.last))

    @staticmethod
    def _differs(header: Header, newest: Checkpoint, edge: Edge) -> tuple[Problem | None, str]:
        if header.last > newest.size:
            return Problem.RANGE, f"{header.last} events, and a checkpoint of {newest.size}"
        if header.last == newest.size:
            if header.consistency:
                return Problem.CONSISTENCY, "a proof where there is nothing to prove"
            same = edge.size == newest.size and edge.root() == newest.root
            return None if same else Problem.ROOT, "the events are not those that were signed"
        try:
            verify_consistency(edge.size, newest.size, edge.root(), newest.root, header.consistency)
        except ProofError:
            return Problem.CONSISTENCY, "the events are not the beginning of those that were signed"
        return None, ""

    def _erasures(self, header: Header, streams: Streams) -> None:
        """What only an export that reaches the end of the log can say of erasures."""
        reaches = self.view.checkpoint is not None and header.last == self.view.checkpoint.size
        for position in streams.without_reason():
            if reaches:
                text = "a ciphertext is gone, and its stream is not being erased"
                self._found.add(Problem.CIPHERTEXT_MISSING, text, position, line=position - header.first + 2)
            else:
                text = "a ciphertext is gone; the erasure may be in what comes later"
                self._found.add(Caution.CIPHERTEXT_UNDECIDED, text, position)
        for intent in streams.intents():
            if reaches and intent.recorded_ns + self.view.asked.erasure_ns < self._latest_ns:
                hours = (self._latest_ns - intent.recorded_ns) // HOUR_NS
                text = f"an erasure began {hours} hours before, and its key is not destroyed"
                self._found.add(Caution.INTENT_OVERDUE, text, intent.position)
