"""The downstreams of one tenant as one aggregate. Pure.

One stream a tenant, because a revocation concerns all of them: whoever decides needs the whole list as it stands.

- A downstream is never removed; it can be paused. Obligations for a paused one are made, and wait.
- Its id never changes; everything else can.
- A webhook's secret is named by the downstream's version that it was made with, so that a name is never used twice.
- A webhook that wants no more is disabled, which pauses the downstream; resuming it takes both back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import Aggregate, event

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.store.moment import Moment

ALL = "*"
"""Every purpose."""
DEFAULT_ENFORCE_WITHIN_S = 86_400
_LONGEST_LIST = 16_384


@dataclass(frozen=True, slots=True)
class WebhookDef:
    """How a downstream is told by HTTPS; see `Webhook` in the protos."""

    url: str
    disabled: bool = False
    secret_version: int = 0
    previous_secret_version: int = 0
    previous_until_us: int = 0

    def secrets(self, now_us: int) -> tuple[int, ...]:
        """The versions of the secrets to sign with at that time, the newest first."""
        overlap = self.previous_secret_version and now_us < self.previous_until_us
        return (self.secret_version, self.previous_secret_version) if overlap else (self.secret_version,)


@dataclass(frozen=True, slots=True)
class DownstreamDef:
    """A system that must enforce revocations; see `Downstream` in the protos."""

    id: str
    kind: int
    purposes: tuple[str, ...]
    identifier_namespace: str
    display_name: str = ""
    paused: bool = False
    enforce_within_s: int = 0
    """0 stands for the default."""
    version: int = 0
    webhook: WebhookDef | None = None
    """None: it listens on NATS."""

    def concerned(self, revoked: Iterable[str]) -> tuple[str, ...]:
        """Those of the revoked purposes that it must stop; none if the revocation is not its concern.

        A revocation of everything stays `("*",)`, so that it also covers purposes that the downstream is given later.
        So does a list too long for one event: more is stopped than was asked, never less.
        """
        purposes = tuple(dict.fromkeys(revoked))
        if ALL in purposes:
            return (ALL,)
        if ALL not in self.purposes:
            mine = set(self.purposes)
            purposes = tuple(p for p in purposes if p in mine)
        return purposes if sum(map(len, purposes)) <= _LONGEST_LIST else (ALL,)

    def due_us(self, revoked_us: int) -> int:
        """When a revocation must be enforced, microseconds since the epoch."""
        return revoked_us + (self.enforce_within_s or DEFAULT_ENFORCE_WITHIN_S) * 1_000_000


def downstreams_stream(tenant: str) -> UUID:
    """The stream of a tenant's downstreams."""
    return uuid5(NAMESPACE_URL, f"consentledger:downstreams:{tenant}")


class Downstreams(Aggregate):
    """All downstreams of a tenant."""

    TOPIC = "downstreams"

    class Created(Aggregate.Created):
        """The tenant's first downstream was registered. On disk it is a change like any other."""

        TOPIC = "downstreams.opened.v1"
        position: int
        recorded_us: int
        downstream: DownstreamDef

    class Changed(Aggregate.Event):
        """A downstream was registered (version 1) or replaced."""

        TOPIC = "downstream.changed.v1"
        position: int
        recorded_us: int
        downstream: DownstreamDef

        def apply(self, aggregate: "Downstreams") -> None:
            """Fold."""
            aggregate.members[self.downstream.id] = self.downstream

    @event(Created)
    def __init__(self, downstream: DownstreamDef, position: int, recorded_us: int) -> None:
        self.members = {downstream.id: downstream}

    @classmethod
    def open(cls, tenant: str, downstream: DownstreamDef, at: Moment) -> "Downstreams":
        """Register a tenant's first downstream."""
        position, recorded_us = at.take()
        return cls._create(
            cls.Created,
            id=downstreams_stream(tenant),
            timestamp=at.timestamp,
            position=position,
            recorded_us=recorded_us,
            downstream=_first(downstream),
        )

    def change(self, downstream: DownstreamDef, at: Moment) -> None:
        """Make the event and fold it."""
        position, recorded_us = at.take()
        self.trigger_event(
            self.Changed, timestamp=at.timestamp, position=position, recorded_us=recorded_us, downstream=downstream
        )


def register(known: Downstreams, downstream: DownstreamDef, at: Moment) -> None:
    """Add a downstream."""
    if downstream.id in known.members:
        raise LedgerError(Reason.DOWNSTREAM_EXISTS)
    known.change(_first(downstream), at)


def update(known: Downstreams | None, downstream: DownstreamDef, at: Moment) -> bool:
    """Replace a downstream; a version other than 0 must be the one that stands. False when nothing changes."""
    known, old = _standing(known, downstream.id)
    if downstream.version not in (0, old.version):
        raise LedgerError(Reason.CATALOGUE_CONFLICT)
    new = replace(downstream, version=old.version + 1, webhook=_replaced(old, downstream))
    if replace(new, version=old.version) == old:
        return False
    known.change(new, at)
    return True


def rotate(known: Downstreams | None, id: str, overlap_s: int, at: Moment) -> None:
    """Give a webhook a new secret; the one in use signs too for `overlap_s` seconds, and the one before it no more."""
    known, old = _standing(known, id)
    if old.webhook is None:
        raise invalid("downstream", "one with a webhook")
    version = old.version + 1
    webhook = replace(
        old.webhook,
        secret_version=version,
        previous_secret_version=old.webhook.secret_version if overlap_s else 0,
        previous_until_us=at.recorded_us + overlap_s * 1_000_000 if overlap_s else 0,
    )
    known.change(replace(old, version=version, webhook=webhook), at)


def disable(known: Downstreams | None, id: str, at: Moment) -> bool:
    """Send nothing more to a webhook that wants nothing more. False when it is so already."""
    known, old = _standing(known, id)
    if old.webhook is None or old.webhook.disabled:
        return False
    known.change(replace(old, version=old.version + 1, paused=True, webhook=replace(old.webhook, disabled=True)), at)
    return True


def _standing(known: Downstreams | None, id: str) -> tuple[Downstreams, DownstreamDef]:
    old = known.members.get(id) if known is not None else None
    if known is None or old is None:
        raise LedgerError(Reason.DOWNSTREAM_UNKNOWN)
    return known, old


def _first(downstream: DownstreamDef) -> DownstreamDef:
    """As registered; of a webhook only the URL is the caller's to say."""
    webhook = WebhookDef(downstream.webhook.url, secret_version=1) if downstream.webhook else None
    return replace(downstream, version=1, webhook=webhook)


def _replaced(old: DownstreamDef, wanted: DownstreamDef) -> WebhookDef | None:
    """The webhook after an update: a new one gets a secret of its own, one that stays keeps its secrets."""
    if wanted.webhook is None:
        return None
    if old.webhook is None:
        return WebhookDef(wanted.webhook.url, secret_version=old.version + 1)
    return replace(old.webhook, url=wanted.webhook.url, disabled=old.webhook.disabled and wanted.paused)
