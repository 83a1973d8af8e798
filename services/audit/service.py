"""The audit service put together: what it answers over gRPC and HTTP, and whom it takes checkpoints to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor import ServiceDescriptor

from consentledger import journal
from consentledger.http.client import check_url
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.policy import Policy, PolicyError
from consentledger.v1 import audit_service_pb2
from services.audit.anchoring import Anchoring
from services.audit.anchors import Anchor
from services.audit.copy_anchor import CopyAnchor
from services.audit.logs import Logs, Persons
from services.audit.servicer import AuditServicer
from services.audit.stamp_anchor import StampAnchor, StampUnusable
from services.audit.tiles_http import TilesServer
from services.audit.witness_anchor import WitnessAnchor
from services.audit.witnessed import Witnesses

_log = journal.get("audit")


class AuditUnusable(Exception):
    """A setting that cannot be followed: the witness policy, the time stamp authority."""


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """What can be set."""

    tiles: str = ""
    """`HOST:PORT` for checkpoint and tiles over HTTP; empty for none."""
    tiles_entries: bool = False
    """Whether bundles of leaves, of all tenants, may be had there."""
    witnesses: Path | None = None
    """A C2SP tlog-policy file: whom to ask, and how many are enough."""
    stamps: str = ""
    """The URL of an RFC 3161 time stamp authority; empty for none."""
    stamp_roots: Path | None = None
    """PEM certificates that its stamps must lead to."""
    stamp_seconds: int = 3600
    """At most one stamp in so many seconds."""
    copies: Path | None = None
    """A folder for write-once copies of checkpoints."""
    anchor_seconds: float = 10.0
    """How often a checkpoint is taken to the anchors, while the log grows."""


@dataclass(frozen=True, slots=True)
class AuditService:
    """The running parts."""

    servicers: Sequence[tuple[ServiceDescriptor, object]]
    anchorings: Sequence[Anchoring]
    tiles: TilesServer | None

    async def start(self) -> None:
        """Begin to serve, and to anchor."""
        if self.tiles is not None:
            await self.tiles.start()
        for anchoring in self.anchorings:
            anchoring.start()

    async def close(self) -> None:
        """Stop."""
        for anchoring in self.anchorings:
            await anchoring.close()
        if self.tiles is not None:
            await self.tiles.close()


def build(
    config: AuditConfig, by_name: Mapping[str, SignedLog], persons: Persons | None, clock: Callable[[], int]
) -> AuditService:
    """Put it together, the port for tiles taken; nothing runs before `start`.

    Raises AuditUnusable, InsecureAddress or OSError (the address cannot be bound).
    """
    witnesses = Witnesses(_policy(config.witnesses))
    logs = Logs(by_name, persons, witnesses)
    shared = _shared_anchors(config)
    anchorings = [
        Anchoring(log, [*_witness_anchors(witnesses, log), *shared], witnesses, clock, config.anchor_seconds)
        for log in by_name.values()
    ]
    tiles = None
    if config.tiles:
        tiles = TilesServer(logs, entries=config.tiles_entries)
        _log.info("tiles", port=tiles.bind(config.tiles))
    servicer = AuditServicer(logs)
    return AuditService([(audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"], servicer)], anchorings, tiles)


def _policy(path: Path | None) -> Policy | None:
    if path is None:
        return None
    try:
        policy = Policy.parse(path.read_bytes())
        for witness in policy.witnesses:
            if witness.url:
                check_url(witness.url)
    except OSError:
        raise AuditUnusable("the witness policy cannot be read") from None
    except PolicyError as error:
        raise AuditUnusable(f"the witness policy: {error}") from None
    except ValueError:
        raise AuditUnusable("the witness policy: a witness has no http:// or https:// URL") from None
    return policy


def _witness_anchors(witnesses: Witnesses, log: SignedLog) -> list[Anchor]:
    known = witnesses.policy.witnesses if witnesses.policy else ()
    return [WitnessAnchor(witness, log.prover.consistency) for witness in known if witness.url]


def _shared_anchors(config: AuditConfig) -> list[Anchor]:
    anchors: list[Anchor] = []
    if config.stamps:
        if config.stamp_roots is None:
            raise AuditUnusable("time stamps need the certificates of their authority: CONSENTLEDGER_TSA_ROOTS")
        try:
            check_url(config.stamps)
            anchors.append(StampAnchor(config.stamps, config.stamp_roots, config.stamp_seconds))
        except (StampUnusable, ValueError) as error:
            raise AuditUnusable(str(error)) from None
    if config.copies is not None:
        anchors.append(CopyAnchor(config.copies))
    return anchors
