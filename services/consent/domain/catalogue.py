"""The catalogue of one tenant as one aggregate: the tenant, its purposes, its notices. Pure.

One stream a tenant, so that its version says at once whether a reader's copy is current.

- A published notice never changes; a material one makes grants under earlier versions of the same notice stale.
- A purpose is never removed, only retired.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import Aggregate, event

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.store.moment import Moment

LIMIT = 250
"""The most purposes of one tenant: an event about all of them must fit a leaf."""


class Basis(IntEnum):
    """A legal basis; numbers are those of `LegalBasis` in the protos."""

    CONSENT = 1
    EXPLICIT_CONSENT = 2
    OPT_OUT = 3
    LEGITIMATE_INTEREST = 4
    CONTRACT = 5
    LEGAL_OBLIGATION = 6
    VITAL_INTEREST = 7
    PUBLIC_TASK = 8

    @property
    def strictness(self) -> int:
        """How much a check asks for under this basis: 0 nothing, 1 no refusal, 2 a grant, 3 an explicit grant."""
        return _STRICTNESS[self]


_STRICTNESS = {
    Basis.EXPLICIT_CONSENT: 3,
    Basis.CONSENT: 2,
    Basis.OPT_OUT: 1,
    Basis.LEGITIMATE_INTEREST: 1,
} | dict.fromkeys((Basis.CONTRACT, Basis.LEGAL_OBLIGATION, Basis.VITAL_INTEREST, Basis.PUBLIC_TASK), 0)


@dataclass(frozen=True, slots=True)
class TenantDef:
    """A controller."""

    id: str
    display_name: str = ""
    default_jurisdiction: str = ""
    version: int = 0


@dataclass(frozen=True)
class PurposeDef:
    """What data is used for; see `Purpose` in the protos."""

    id: str
    bases: Mapping[str, Basis]
    title: str = ""
    description: str = ""
    dpv_iri: str = ""
    data_categories: tuple[str, ...] = ()
    special_category: bool = False
    directed_at_children: bool = False
    sector_regimes: tuple[str, ...] = ()
    retention: str = ""
    kept_by_law: bool = False
    retired: bool = False
    version: int = 0
    notice_id: str = ""
    asked_until_us: Mapping[str, int] = field(default_factory=dict)
    """By regime: until when the basis was one that a person can refuse, where it no longer is. Not stored: folded."""

    def __hash__(self) -> int:
        return hash((self.id, self.version))


@dataclass(frozen=True, slots=True)
class NoticeDef:
    """One version of a notice."""

    id: str
    version: str
    language: str
    text_sha256: bytes
    text: str
    material: bool
    purposes: tuple[str, ...]
    ordinal: int = 0
    published_us: int = 0


@lru_cache(maxsize=4096)
def catalogue_stream(tenant: str) -> UUID:
    """The stream of a tenant's catalogue."""
    return uuid5(NAMESPACE_URL, f"consentledger:catalogue:{tenant}")


class Catalogue(Aggregate):
    """A tenant with its purposes and notices."""

    TOPIC = "catalogue"

    class Created(Aggregate.Created):
        """The tenant was created."""

        TOPIC = "tenant.created.v1"
        position: int
        recorded_us: int
        tenant: TenantDef

    class TenantUpdated(Aggregate.Event):
        """The tenant's particulars were replaced."""

        TOPIC = "tenant.updated.v1"
        position: int
        recorded_us: int
        tenant: TenantDef
        revokes: bool

        def apply(self, aggregate: "Catalogue") -> None:
            """Fold."""
            aggregate.tenant = self.tenant

    class PurposeChanged(Aggregate.Event):
        """A purpose was created, replaced or retired."""

        TOPIC = "purpose.changed.v1"
        position: int
        recorded_us: int
        purpose: PurposeDef
        revokes: bool

        def apply(self, aggregate: "Catalogue") -> None:
            """Fold."""
            old = aggregate.purposes.get(self.purpose.id)
            asked = _asked_until(old, self.purpose, self.recorded_us)
            aggregate.purposes[self.purpose.id] = replace(self.purpose, asked_until_us=asked)

    class NoticePublished(Aggregate.Event):
        """A notice version was published."""

        TOPIC = "notice.published.v1"
        position: int
        recorded_us: int
        notice: NoticeDef

        def apply(self, aggregate: "Catalogue") -> None:
            """Fold."""
            notice = self.notice
            aggregate.notices[notice.version] = notice
            aggregate.ordinals[notice.id] = notice.ordinal
            if notice.material:
                for purpose in notice.purposes or ("*",):
                    aggregate.material[notice.id, purpose] = notice.ordinal

    @event(Created)
    def __init__(self, tenant: TenantDef, position: int, recorded_us: int) -> None:
        self.tenant = tenant
        self.purposes: dict[str, PurposeDef] = {}
        self.notices: dict[str, NoticeDef] = {}
        self.ordinals: dict[str, int] = {}
        self.material: dict[tuple[str, str], int] = {}

    @classmethod
    def open(cls, tenant: TenantDef, at: Moment) -> "Catalogue":
        """Create the tenant."""
        position, recorded_us = at.take()
        return cls._create(
            cls.Created,
            id=catalogue_stream(tenant.id),
            timestamp=at.timestamp,
            position=position,
            recorded_us=recorded_us,
            tenant=replace(tenant, version=1),
        )

    def emit(self, event_class: type[Aggregate.Event], at: Moment, **fields: object) -> None:
        """Make one event and fold it."""
        position, recorded_us = at.take()
        self.trigger_event(event_class, timestamp=at.timestamp, position=position, recorded_us=recorded_us, **fields)

    def purpose(self, purpose: str) -> PurposeDef:
        """The purpose, or PURPOSE_UNKNOWN."""
        try:
            return self.purposes[purpose]
        except KeyError:
            raise LedgerError(Reason.PURPOSE_UNKNOWN) from None

    def stale(self, notice_version: str, purpose: str) -> bool:
        """Whether a grant for this purpose under this notice version no longer counts."""
        notice = self.notices.get(notice_version)
        if notice is None or not covers(notice, purpose):
            return True
        newest = self.material
        return notice.ordinal < max(newest.get((notice.id, purpose), 0), newest.get((notice.id, "*"), 0))


def covers(notice: NoticeDef, purpose: str) -> bool:
    """Whether a notice speaks of a purpose: it names it, or it names none and speaks of all."""
    return not notice.purposes or purpose in notice.purposes


def _asked_until(old: PurposeDef | None, new: PurposeDef, recorded_us: int) -> dict[str, int]:
    """A change of basis never lifts a refusal that stands: until when each basis was one that could be refused."""
    if old is None:
        return {}
    asked = dict(old.asked_until_us)
    for regime, basis in old.bases.items():
        now = new.bases.get(regime)
        if basis.strictness and not (now and now.strictness):
            asked[regime] = recorded_us
    return asked


def update_tenant(c: Catalogue, tenant: TenantDef, at: Moment) -> None:
    """Replace the tenant's particulars; `tenant.version` other than 0 must be the one that stands."""
    _expect(tenant.version, c.tenant.version)
    new = replace(tenant, version=c.tenant.version + 1)
    c.emit(c.TenantUpdated, at, tenant=new, revokes=new.default_jurisdiction != c.tenant.default_jurisdiction)


def create_purpose(c: Catalogue, purpose: PurposeDef, at: Moment) -> None:
    """Add a purpose."""
    if purpose.id in c.purposes:
        raise LedgerError(Reason.PURPOSE_EXISTS)
    if len(c.purposes) >= LIMIT:
        raise invalid("purpose", f"at most {LIMIT} of one tenant, retired ones included")
    _put(c, replace(purpose, version=1, retired=False), False, at)


def update_purpose(c: Catalogue, purpose: PurposeDef, at: Moment) -> None:
    """Replace a purpose; it stays retired if it was."""
    old = c.purpose(purpose.id)
    _expect(purpose.version, old.version)
    new = replace(purpose, version=old.version + 1, retired=old.retired)
    _put(c, new, not old.retired and _asks_more(old, new), at)


def retire_purpose(c: Catalogue, purpose: str, at: Moment) -> bool:
    """End a purpose. False when it was retired before, and nothing is recorded."""
    old = c.purpose(purpose)
    if old.retired:
        return False
    _put(c, replace(old, version=old.version + 1, retired=True), True, at)
    return True


def publish_notice(c: Catalogue, notice: NoticeDef, at: Moment) -> None:
    """Publish one version; its ordinal follows those of the same notice."""
    if notice.version in c.notices:
        raise LedgerError(Reason.NOTICE_EXISTS)
    for purpose in notice.purposes:
        c.purpose(purpose)
    new = replace(notice, ordinal=c.ordinals.get(notice.id, 0) + 1, published_us=at.recorded_us)
    c.emit(c.NoticePublished, at, notice=new)


def _put(c: Catalogue, purpose: PurposeDef, revokes: bool, at: Moment) -> None:
    c.emit(c.PurposeChanged, at, purpose=purpose, revokes=revokes)


def _expect(given: int, stands: int) -> None:
    if given not in (0, stands):
        raise LedgerError(Reason.CATALOGUE_CONFLICT)


def _asks_more(old: PurposeDef, new: PurposeDef) -> bool:
    """Whether some check may now be refused that the old form allowed."""
    return (
        any(r not in new.bases or _asks_other(b, new.bases[r]) for r, b in old.bases.items())
        or bool(set(new.sector_regimes) - set(old.sector_regimes))
        or (new.special_category and not old.special_category)
        or (old.kept_by_law and not new.kept_by_law)
    )


def _asks_other(old: Basis, new: Basis) -> bool:
    """Whether the new basis may refuse what the old one allowed: a universal signal bars opt-out, but not a grant."""
    return new.strictness > old.strictness or new.strictness == Basis.OPT_OUT.strictness < old.strictness
