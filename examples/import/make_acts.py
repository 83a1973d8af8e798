"""Makes what an older consent system would hand over: 10,000 acts as CSV, and 20 consent records (ISO/IEC TS 27560).

    python examples/import/make_acts.py <folder> [--seed 7] [--until 2026-11-01]

The people are made up; their addresses end in `.example`, which nobody can own (RFC 2606). The same seed and date give
the same bytes. About 3,000 people, over three years before the date:

- three acts in four are grants; the rest are denials, withdrawals and objections, of one purpose or of all
- a withdrawal follows a grant of the same person; one row in twenty comes late, behind newer ones
- one row in eight names no notice, or one that the catalogue never published: such grants count as stale
- acts for special categories are explicit, by a signed form
"""

import argparse
import csv
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

# The draws below make test data; nothing about them is secret.
from random import Random

ACTS, PEOPLE, RECORDS = 10_000, 3_000, 20
COLUMNS = (
    *("request_id", "namespace", "id", "act", "purpose", "notice_version", "occurred_at", "method", "jurisdiction"),
    *("collector", "age_band", "explicit"),
)
_ROW_IDS = uuid.UUID("8c2f6a51-3f0d-5c0a-8f8f-5d2b3f2c7a10")

# Purposes of examples/catalogue, how often they are chosen, and the notices shown for them with their first day.
_PURPOSES = {
    "marketing.email": 30,
    "marketing.sms": 12,
    "data.sale": 4,
    "analytics.web": 18,
    "personalisation.products": 12,
    "ads.targeted": 10,
    "loyalty.programme": 9,
    "research.study": 3,
    "telehealth.recording": 2,
}
_NOTICES = {
    "marketing": [
        ("2023-04-01", "marketing-2023-04"),
        ("2024-06-01", "marketing-2024-06"),
        ("2026-02-01", "marketing-2026-02"),
    ],
    "data": [("2026-02-01", "marketing-2026-02")],
    "website": [("2024-01-01", "website-2024-01"), ("2025-09-01", "website-2025-09")],
    "loyalty": [("2023-01-01", "loyalty-2023-01")],
    "research": [("2023-10-01", "clinic-research-2023-10"), ("2025-04-01", "clinic-research-2025-04")],
    "telehealth": [("2024-02-01", "clinic-disclosure-2024-02")],
}
_NOTICE_OF = {"analytics": "website", "personalisation": "website", "ads": "website"}
_EXPLICIT = {"research.study", "telehealth.recording"}
_PLACES = {"DE": 30, "FR": 12, "AT": 6, "IE": 4, "DE-BY": 4, "GB": 12, "US-CA": 12, "US-CT": 4, "US-TX": 4, "US-NY": 3}
_PLACES |= {"BR": 4, "IN": 3, "CA-ON": 1, "CA-QC": 1}
_GIVEN = ("ada", "ben", "cleo", "dan", "eva", "finn", "gita", "hugo", "ida", "jon", "kim", "lea", "max", "nia", "omar")
_FAMILY = ("alder", "birch", "cedar", "elm", "fir", "hazel", "juniper", "larch", "maple", "oak", "pine", "rowan", "yew")


def acts(random: Random, until: datetime) -> list[dict[str, str]]:
    """The rows of the CSV, mostly in the order of their time."""
    people = [_person(random, number) for number in range(PEOPLE)]
    granted: list[dict[str, str]] = []
    rows = []
    start = until - timedelta(days=3 * 365)
    for number, moment in enumerate(sorted(_moment(random, start, until) for _ in range(ACTS))):
        row = _again(random, granted) if granted and random.random() < 0.16 else _choice(random, people, moment)
        row |= {"request_id": str(uuid.uuid5(_ROW_IDS, str(number))), "occurred_at": _text(moment)}
        if row["act"] == "grant":
            granted.append(row)
        rows.append(row)
    for late in random.sample(range(ACTS - 1), ACTS // 20):
        rows.insert(min(late + random.randint(1, 400), ACTS - 1), rows.pop(late))
    return rows


def records(random: Random, until: datetime) -> Iterator[dict[str, object]]:
    """Consent records of people who are not among the acts."""
    for number in range(RECORDS):
        given = _moment(random, until - timedelta(days=700), until - timedelta(days=30))
        purpose = random.choice(sorted(_PURPOSES))
        kind = "ExplicitlyExpressedConsent" if purpose in _EXPLICIT else "ExpressedConsent"
        first = "ConsentRefused" if number % 7 == 6 else "ConsentGiven"
        states = [("ConsentRequested", given - timedelta(minutes=2)), (first, given)]
        if first == "ConsentGiven" and number % 3 == 2:
            states.append(("ConsentWithdrawn", given + timedelta(days=random.randint(1, 25))))
        yield _record(random, number, purpose, kind, states)


def _person(random: Random, number: int) -> dict[str, str]:
    name = f"{random.choice(_GIVEN)}.{random.choice(_FAMILY)}{number}"
    names = {
        "email": f"{name}@mail.example",
        "crm": f"C{100_000 + number}",
        "device": f"d-{random.getrandbits(64):016x}",
    }
    namespace, identifier = random.choices([*names.items()], [70, 20, 10])[0]
    place = random.choices([*_PLACES], [*_PLACES.values()])[0]
    return {"namespace": namespace, "id": identifier, "jurisdiction": place}


def _choice(random: Random, people: list[dict[str, str]], moment: datetime) -> dict[str, str]:
    purpose = random.choices([*_PURPOSES], [*_PURPOSES.values()])[0]
    explicit = purpose in _EXPLICIT
    act = random.choices(["grant", "deny", "object", "withdraw"], [90, 7, 2, 1])[0]
    return random.choice(people) | {
        "act": act,
        "purpose": purpose if act in ("grant", "deny") or random.random() < 0.7 else "*",
        "notice_version": _notice(random, purpose, moment),
        "method": "signed-form" if explicit else random.choice(["checkbox", "toggle", "phone"]),
        "collector": "clinic" if explicit else random.choice(["web", "app", "store"]),
        "age_band": "adult" if random.random() < 0.97 else "",
        "explicit": "true" if explicit else "",
    }


def _again(random: Random, granted: list[dict[str, str]]) -> dict[str, str]:
    """A later act of somebody who has granted: mostly the withdrawal of that grant."""
    act = random.choices(["withdraw", "object", "deny"], [80, 8, 12])[0]
    row = random.choice(granted) | {"act": act, "method": "toggle", "explicit": "", "notice_version": ""}
    return row | {"purpose": "*"} if act == "withdraw" and random.random() < 0.05 else row


def _notice(random: Random, purpose: str, moment: datetime) -> str:
    if random.random() < 1 / 12:
        return random.choice(["", "paper-form-2019"])
    group = purpose.partition(".")[0]
    shown = [version for day, version in _NOTICES[_NOTICE_OF.get(group, group)] if day <= _text(moment)]
    return shown[-1] if shown else ""


def _record(
    random: Random, number: int, purpose: str, kind: str, states: list[tuple[str, datetime]]
) -> dict[str, object]:
    record_id = str(uuid.uuid5(_ROW_IDS, f"record {number}"))
    subject = f"{random.choice(_GIVEN)}.{random.choice(_FAMILY)}.r{number}@mail.example"
    shop = {"@id": "ex:shop", "@type": "dpv:DataController", "dpv:hasName": "The example shop"}
    process = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {"@type": "dpv:Purpose", "dct:identifier": purpose},
        "dpv:hasPersonalData": [{"@id": "pd:EmailAddress"}],
        "dpv:hasRecipient": [{"@id": "ex:shop"}],
        "dpv:hasStorageCondition": [{"@type": "dpv:StorageDuration", "dpv:hasDuration": "P24M"}],
    }
    return {
        "@context": {
            "dpv": "https://w3id.org/dpv#",
            "pd": "https://w3id.org/dpv/pd#",
            "loc": "https://w3id.org/dpv/loc#",
            "dct": "http://purl.org/dc/terms/",
            "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
            "ex": "https://shop.example/",
        },
        "@id": f"https://shop.example/records/{record_id}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": record_id,
        "dct:conformsTo": "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr",
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": f"email:{subject}"},
        "dpv:hasDataController": {"@id": "ex:shop"},
        "dpv:hasEntity": [shop],
        "dpv:hasJurisdiction": {"@id": f"loc:{random.choice(['DE', 'FR', 'AT', 'IE'])}"},
        "dpv:hasProcess": [process],
        "dpv:hasConsentControl": {"@type": "dpv:WithdrawConsent", "dpv:isExercisedAt": "https://shop.example/choices"},
        "dpv:hasNotice": [
            {
                "@type": "dpv:ConsentNotice",
                "dct:identifier": _notice(random, purpose, states[1][1]),
                "dct:language": "en",
            }
        ],
        "dpv:hasConsentStatus": [_status(name, moment, kind) for name, moment in states],
    }


def _status(name: str, moment: datetime, kind: str) -> dict[str, object]:
    status: dict[str, object] = {
        "@type": [f"dpv:{name}", f"dpv:{kind}"] if name == "ConsentGiven" else f"dpv:{name}",
        "dpv:hasIndicationMethod": "signed form" if kind.startswith("Explicitly") else "checkbox on the website",
        "dpv:isIndicatedAtTime": _text(moment),
        "dpv:hasDuration": {"@type": "dpv:EndlessDuration"},
    }
    if name == "ConsentGiven":
        status["dpv:hasDuration"] = {"@type": "dpv:TemporalDuration", "rdf:value": "P5Y"}
    return status


def _moment(random: Random, start: datetime, until: datetime) -> datetime:
    return start + timedelta(milliseconds=random.randrange(int((until - start) / timedelta(milliseconds=1))))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    """Writes `acts.csv` and `records.json` to the folder."""
    parser = argparse.ArgumentParser(description="Makes acts and consent records to import.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--until", default="2026-11-01", help="the day before which all acts are, UTC")
    options = parser.parse_args()
    random = Random(options.seed)  # noqa: S311
    until = datetime.fromisoformat(options.until).replace(tzinfo=UTC)
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "acts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(acts(random, until))
    made = json.dumps(list(records(random, until)), indent=1)
    (options.folder / "records.json").write_text(made + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
