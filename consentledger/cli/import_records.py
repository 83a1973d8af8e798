"""Turns ISO/IEC TS 27560 consent records, as the W3C DPV guide writes them in JSON-LD, into `ImportRow`s.

Pure. Each purpose gives one row for each status in which something was chosen. How JSON-LD is read: `jsonld.py`.

- ConsentGiven, RenewedConsentGiven: grant. ConsentRefused: deny. ConsentWithdrawn: withdraw.
- ConsentRevoked, ConsentInvalidated, ConsentExpired: withdraw too, since nothing may be used any more; the method says
  which it was, because the person did not do it.
- ConsentRequested, ConsentRequestDeferred: nothing was chosen yet, so no row. Any other status refuses the record.
- The person: an identifier `namespace:id` of the data subject, or its IRI: `mailto:` is "email", `tel:` is "phone",
  any other stands under "iri".
- The purpose: its identifier, or its own IRI, its type's or its broader purpose's, which the caller maps to an id.
- An objection, which is no consent, is read as our own records have it: a status that says Objected.
- Language, collector, age band and evidence are read of the status, where our own records have them. In others the
  language is that of the notice.
- A grant's duration becomes `expires_at`. One that depends on an event cannot be held, and refuses the record.
- Row ids are made from the record's id, so that the same record gives the same ids.
"""

import calendar
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from consentledger.cli.imports import Rejected, RowError, SourceAct, import_row, instant
from consentledger.cli.jsonld import DPV, expanded, many, nodes, one_text, texts
from consentledger.receipts.vocabulary import OWN
from consentledger.v1 import consent_service_pb2 as service

LOC = "https://w3id.org/dpv/loc#"

_ROW_IDS = uuid.UUID("6f1b8f0e-54b6-5d5a-9a43-0a6c1f27560a")
_ACTS = {
    "ConsentGiven": "grant",
    "RenewedConsentGiven": "grant",
    "ConsentRefused": "deny",
    "ConsentWithdrawn": "withdraw",
    "ConsentRevoked": "withdraw",
    "ConsentInvalidated": "withdraw",
    "ConsentExpired": "withdraw",
    "Objected": "object",
}
_OBJECTED = {OWN + "Objected", DPV + "LegitimateInterestObjected", DPV + "PublicInterestObjected"}
_ENDED_BY_OTHERS = {
    "ConsentRevoked": "consent-revoked",
    "ConsentInvalidated": "consent-invalidated",
    "ConsentExpired": "consent-expired",
}
_NOTHING_CHOSEN = {"ConsentRequested", "ConsentRequestDeferred"}
_TOKEN = re.compile(r"[a-z0-9._-]{1,64}")
_SCHEMES = {"mailto": "email", "tel": "phone"}
_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=.)(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?"
)


def records_in(text: str) -> list[Any]:
    """The records of one JSON document: one, a list, or a `@graph`. Raises RowError when it is no JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise RowError("record", "JSON") from None
    if isinstance(document, dict) and "@graph" in document:
        shared = document.get("@context", {})
        return [
            {"@context": shared, **record} if isinstance(record, dict) else record
            for record in many(document["@graph"])
        ]
    return many(document)


def record_rows(
    records: Iterable[Any], purposes: Mapping[str, str] | None = None, collector: str = ""
) -> Iterator[service.ImportRow | Rejected]:
    """The rows of all records, in order; a record that cannot be read is Rejected as a whole, by its number.

    `purposes` maps purpose IRIs to ids of the catalogue; `collector` names the system that the records come from.
    """
    for number, record in enumerate(records):
        try:
            yield from one_record(record, purposes or {}, collector)
        except RowError as error:
            yield Rejected(number, error.field, error.rule)


def one_record(record: object, purposes: Mapping[str, str], collector: str = "") -> list[service.ImportRow]:
    """The rows of one record, all or none. Raises RowError."""
    node = expanded(record)
    record_id = one_text(node, "dct:identifier", "dpv:hasIdentifier")
    namespace, identifier = _person(node)
    notice, language = _notice(node)
    acts = []
    for purpose in _purposes(node, purposes):
        for name, status in _statuses(node):
            told = one_text(status, "dpv:isIndicatedAtTime")
            occurred_at = instant("dpv:isIndicatedAtTime", told)
            act = _ACTS[name]
            acts.append(
                SourceAct(
                    request_id=str(uuid.uuid5(_ROW_IDS, json.dumps([record_id, purpose, name, told]))),
                    namespace=namespace,
                    id=identifier,
                    act=act,
                    purpose=purpose,
                    occurred_at=occurred_at,
                    notice_version=notice,
                    method=_ENDED_BY_OTHERS.get(name) or _token(texts(status, "dpv:hasIndicationMethod")),
                    jurisdiction=_jurisdiction(node),
                    collector=collector or _one(status, "cl:collector"),
                    language=_one(status, "dct:language") or language,
                    age_band=_one(status, "cl:ageBand"),
                    evidence_sha256=_evidence(status),
                    explicit=DPV + "ExplicitlyExpressedConsent" in status["@type"],
                    expires_at=_expiry(status, occurred_at) if act == "grant" else None,
                )
            )
    return [import_row(act) for act in acts]


def _person(node: Mapping[str, Any]) -> tuple[str, str]:
    subjects = nodes(node, "dpv:hasDataSubject")
    if len(subjects) != 1:
        raise RowError("dpv:hasDataSubject", "exactly one")
    named = texts(subjects[0], "dct:identifier", "dpv:hasIdentifier")
    if len(named) > 1:
        raise RowError("dpv:hasDataSubject", "one identifier")
    if named:
        namespace, _, identifier = named[0].partition(":")
        if not identifier:
            raise RowError("dpv:hasDataSubject", "an identifier is namespace:id")
        return namespace, identifier
    iri: str = subjects[0].get("@id", "")
    scheme, _, rest = iri.partition(":")
    return (_SCHEMES[scheme], rest) if scheme in _SCHEMES else ("iri", iri)


def _purposes(node: Mapping[str, Any], known: Mapping[str, str]) -> list[str]:
    found = []
    for process in nodes(node, "dpv:hasProcess"):
        for purpose in nodes(process, "dpv:hasPurpose"):
            broader = [parent.get("@id", "") for parent in nodes(purpose, "skos:broader")]
            mapped = [known[iri] for iri in (purpose.get("@id", ""), *purpose["@type"], *broader) if iri in known]
            ids = texts(purpose, "dct:identifier", "dpv:hasIdentifier") or mapped[:1]
            if len(ids) != 1:
                raise RowError("dpv:hasPurpose", "one identifier, or an IRI that stands for a purpose of the catalogue")
            found += ids
    if not found or len(set(found)) != len(found):
        raise RowError("dpv:hasPurpose", "at least one, none twice")
    return found


def _statuses(node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each status in which something was chosen, with its name in _ACTS."""
    for status in nodes(node, "dpv:hasConsentStatus"):
        name = _status(status)
        if name not in _NOTHING_CHOSEN:
            yield name, status
    for status in nodes(node, "dpv:hasStatus"):
        if _OBJECTED.intersection(status["@type"]):
            yield "Objected", status


def _status(status: Mapping[str, Any]) -> str:
    names: set[str] = {iri.removeprefix(DPV) for iri in status["@type"] if iri.startswith(DPV)}
    known = names & (_ACTS.keys() - {"Objected"} | _NOTHING_CHOSEN)
    # "ConsentUnknown" beside a known state, or a state of a later vocabulary, must not be read as half of what it says.
    states = {name for name in names if not name.endswith("Consent") and not name.startswith("ConsentStatus")}
    if len(known) != 1 or states != known:
        raise RowError("dpv:hasConsentStatus", "one state of DPV 2.3 in which something was chosen or asked")
    return known.pop()


def _notice(node: Mapping[str, Any]) -> tuple[str, str]:
    """Version and language; empty when the record names none, or several. Our own have the language elsewhere."""
    notices = nodes(node, "dpv:hasNotice")
    if len(notices) != 1:
        return "", ""
    named = texts(notices[0], "dct:identifier", "dpv:hasIdentifier")
    iri: str = notices[0].get("@id", "")
    version = named[0] if len(named) == 1 else iri.rstrip("/").rpartition("/")[2]
    languages = texts(notices[0], "dct:language")
    ours = bool(nodes(node, "cl:proof"))
    return version, languages[0] if len(languages) == 1 and not ours else ""


def _jurisdiction(node: Mapping[str, Any]) -> str:
    places = nodes(node, "dpv:hasJurisdiction")
    if len(places) > 1:
        raise RowError("dpv:hasJurisdiction", "at most one")
    place: str = places[0].get("@id", "") if places else ""
    return place.removeprefix(LOC)


def _expiry(status: Mapping[str, Any], start: datetime) -> datetime | None:
    durations = nodes(status, "dpv:hasDuration")
    if not durations:
        return None
    if len(durations) > 1:
        raise RowError("dpv:hasDuration", "one for each status")
    kinds, values = durations[0]["@type"], texts(durations[0], "rdf:value")
    if DPV + "EndlessDuration" in kinds:
        return None
    if DPV + "UntilTimeDuration" in kinds and len(values) == 1:
        return instant("dpv:hasDuration", values[0])
    if DPV + "TemporalDuration" in kinds and len(values) == 1:
        return _later(start, values[0])
    raise RowError("dpv:hasDuration", "a length of time, an end time, or endless")


def _later(start: datetime, duration: str) -> datetime:
    """The start and an ISO 8601 duration; a day that its month does not have is the month's last."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise RowError("dpv:hasDuration", "an ISO 8601 duration, P12M")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        year, month = divmod(start.year * 12 + start.month - 1 + years * 12 + months, 12)
        day = min(start.day, calendar.monthrange(year, month + 1)[1])
        moved = start.replace(year=year, month=month + 1, day=day)
        return moved + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (ValueError, OverflowError):
        raise RowError("dpv:hasDuration", "an end before the year 10000") from None


def _one(node: Mapping[str, Any], name: str) -> str:
    """The only text under a name, or nothing."""
    return one_text(node, name) if texts(node, name) else ""


def _evidence(status: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(_one(status, "cl:evidenceSha256"))
    except ValueError:
        raise RowError("cl:evidenceSha256", "a SHA-256 in hexadecimal") from None


def _token(methods: list[str]) -> str:
    """A method that is a token already, as it is; of words, one made of them."""
    if len(methods) == 1 and _TOKEN.fullmatch(methods[0]):
        return methods[0]
    return re.sub(r"[^a-z0-9._]+", "-", methods[0].lower()).strip("-")[:64] if len(methods) == 1 else ""
