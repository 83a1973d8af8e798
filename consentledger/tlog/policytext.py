"""How a policy file is written and read; what it means is `policy`. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from consentledger.tlog.keys import NoteError, VerifierKey
from consentledger.tlog.signatures import COSIGNATURE, ED25519, MLDSA44
from consentledger.tlog.spelling import BadSpelling, read_decimal

NONE = "none"
MAX_SIZE = 1_000_000
MAX_LINES_OF_A_KIND = 256
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class PolicyError(ValueError):
    """Not a policy file; or a checkpoint that a policy does not accept."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log whose checkpoints are accepted."""

    key: VerifierKey
    """Plain Ed25519, or ML-DSA-44; named as the log's origin."""
    url: str | None


@dataclass(frozen=True, slots=True)
class Witness:
    """A cosigner."""

    name: str
    """In this file only."""
    key: VerifierKey
    """Of a cosignature."""
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses and groups, of which so many must have witnessed."""

    name: str
    threshold: int
    """1 to the number of members."""
    members: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    logs: list[Log] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    free: set[str] = field(default_factory=set)
    """Names defined and not yet a member of a group."""
    named: set[str] = field(default_factory=set)

    def log(self, items: list[str]) -> None:
        if len(items) not in (1, 2):
            raise PolicyError("log <vkey> [<url>]")
        key = _key(items[0], ED25519, MLDSA44)
        if any(key.public == one.key.public for one in self.logs):
            raise PolicyError("two logs have one key")
        self.logs.append(Log(key, items[1] if items[1:] else None))

    def witness(self, items: list[str]) -> None:
        if len(items) not in (2, 3):
            raise PolicyError("witness <name> <vkey> [<url>]")
        key = _key(items[1], COSIGNATURE, MLDSA44)
        if any(key.public == one.key.public for one in self.witnesses):
            raise PolicyError("two witnesses have one key")
        self.witnesses.append(Witness(self._define(items[0]), key, items[2] if items[2:] else None))

    def group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise PolicyError("group <name> any|all|<k> <name>...")
        name, rule, *members = items
        if not self.free.issuperset(members) or len(set(members)) < len(members):
            raise PolicyError("a member is not defined above, or is one already")
        self.free.difference_update(members)
        self.groups.append(Group(self._define(name), _threshold(rule, len(members)), tuple(members)))

    def set_quorum(self, items: list[str]) -> None:
        if len(items) != 1 or self.quorum is not None:
            raise PolicyError("quorum <name>|none, once")
        (self.quorum,) = items
        if self.quorum not in self.named | {NONE}:
            raise PolicyError("the quorum is not defined above")

    def _define(self, name: str) -> str:
        if name in self.named or name == NONE:
            raise PolicyError("a name is defined twice, or is none")
        self.named.add(name)
        self.free.add(name)
        return name


def read_policy(text: str | bytes) -> tuple[tuple[Log, ...], tuple[Witness, ...], tuple[Group, ...], str]:
    """The logs, witnesses, groups and quorum of a policy file. Raises PolicyError."""
    try:
        # Bytes that are no UTF-8 become code points that no other bytes become, so names stay apart.
        text = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text.encode().decode()
    except UnicodeEncodeError:
        raise PolicyError("a policy is text") from None
    *lines, rest = text.split("\n")
    if rest or len(text) > MAX_SIZE or _FORBIDDEN.search(text):
        raise PolicyError("a policy is lines that end in a newline, without control characters")
    reading = _Reading()
    keywords: dict[str, Callable[[list[str]], None]] = {
        "log": reading.log,
        "witness": reading.witness,
        "group": reading.group,
        "quorum": reading.set_quorum,
    }
    for line in lines:
        keyword, *items = [item for item in re.split(r"[ \t]+", line) if item] or ["#"]
        if keyword in keywords:
            keywords[keyword](items)
        elif not keyword.startswith("#"):
            raise PolicyError("a line starts with log, witness, group, quorum or #")
    if any(len(lines) > MAX_LINES_OF_A_KIND for lines in (reading.logs, reading.witnesses, reading.groups)):
        raise PolicyError("at most 256 logs, witnesses and groups")
    if reading.quorum is None:
        raise PolicyError("a policy has a quorum")
    return tuple(reading.logs), tuple(reading.witnesses), tuple(reading.groups), reading.quorum


def _key(vkey: str, *types: int) -> VerifierKey:
    try:
        key = VerifierKey.parse(vkey)
    except NoteError:
        raise PolicyError("not a verifier key") from None
    if key.type not in types:
        raise PolicyError("a log's key does not cosign, a witness's does")
    return key


def _threshold(rule: str, members: int) -> int:
    if rule in ("any", "all"):
        return 1 if rule == "any" else members
    try:
        threshold = read_decimal(rule, members)
    except BadSpelling:
        threshold = 0
    if not threshold:
        raise PolicyError("any, all, or a number from 1 to the number of members")
    return threshold
