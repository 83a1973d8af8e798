"""Reads the regimes' data files and refuses any that is not exactly as it should be.

- An unknown key, a missing one, a value of another type or out of range, a value without its source, a regime or place
  given twice, a place mapped to an unknown or sectoral regime: each refuses to load, naming file and key.
- A file holds one regime, or `[defaults]` and several `[regimes.<id>]` that they complete.
"""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

from consentledger.regimes.model import PLACE, Regime, Regimes

PLACES_FILE = "jurisdictions.toml"

_TEXTS = ("title", "citation")
_FLAGS = (
    "explicit_for_special_category", "stale_notice_tolerated", "universal_signal", "keep_opt_outs_after_erasure",
)  # fmt: skip
_NUMBERS = {"child_age": (1, 21)}
_OPTIONAL_NUMBERS = {"grant_validity_days": (1, 36_500), "revocation_sla_days": (1, 3_650)}
_SOURCED = (*_FLAGS, *_NUMBERS, *_OPTIONAL_NUMBERS)
_KEYS = {"id", "version", "sectoral", "child_ages", *_TEXTS, *_SOURCED, *(f"{key}_source" for key in _SOURCED)}


class InvalidRegimes(ValueError):
    """The data is not as it should be; the text names file, regime and key."""


@functools.cache
def regimes() -> Regimes:
    """The regimes that this version carries."""
    folder = resources.files("consentledger.regimes") / "data"
    return parse({file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".toml")})


def parse(files: Mapping[str, str]) -> Regimes:
    """The regimes in these files, by file name; one of them is `jurisdictions.toml`. Raises InvalidRegimes."""
    by_id: dict[str, Regime] = {}
    for name in sorted(files):
        if name != PLACES_FILE:
            for where, table in _tables(name, _toml(name, files[name])):
                regime = _regime(where, table)
                _need(regime.id not in by_id, where, "id", "given twice")
                by_id[regime.id] = regime
    _need(PLACES_FILE in files, PLACES_FILE, "file", "missing")
    places = _places(_toml(PLACES_FILE, files[PLACES_FILE]), by_id)
    return Regimes(by_id=MappingProxyType(by_id), by_place=MappingProxyType(places))


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRegimes(f"{name}: {error}") from None


def _tables(name: str, document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "regimes" not in document:
        yield name, document
        return
    _only(name, document, {"defaults", "regimes"})
    for id_, table in document["regimes"].items():
        _need("id" not in table, f"{name} {id_}", "id", "the table's name is the id")
        yield f"{name} {id_}", {**document.get("defaults", {}), **table, "id": id_}


def _regime(where: str, table: dict[str, Any]) -> Regime:
    _only(where, table, _KEYS)
    for key in ("id", *_TEXTS):
        _text(where, table, key)
    for key in (*_FLAGS, "sectoral"):
        _need(type(table.get(key)) is bool, where, key, "true or false")
    _number(where, table, "version", 1, 1_000_000)
    for key, (least, most) in _NUMBERS.items():
        _number(where, table, key, least, most)
    for key, (least, most) in _OPTIONAL_NUMBERS.items():
        if key in table:
            _number(where, table, key, least, most)
    for key in _SOURCED:
        if key in table:
            _text(where, table, f"{key}_source")
        else:
            _need(f"{key}_source" not in table, where, f"{key}_source", "a source without its value")
    sources = {key: table[f"{key}_source"] for key in _SOURCED if key in table} | {"citation": table["citation"]}
    ages: dict[str, int] = {}
    for place, entry in table.get("child_ages", {}).items():
        _only(f"{where} child_ages.{place}", entry, {"age", "source"})
        _number(f"{where} child_ages.{place}", entry, "age", 1, 21)
        _text(f"{where} child_ages.{place}", entry, "source")
        ages[place], sources[f"child_ages.{place}"] = entry["age"], entry["source"]
    return Regime(
        id=table["id"],
        title=table["title"],
        version=table["version"],
        child_age=table["child_age"],
        child_ages=MappingProxyType(ages),
        explicit_for_special_category=table["explicit_for_special_category"],
        stale_notice_tolerated=table["stale_notice_tolerated"],
        grant_validity_days=table.get("grant_validity_days"),
        universal_signal=table["universal_signal"],
        revocation_sla_days=table.get("revocation_sla_days"),
        sectoral=table["sectoral"],
        keep_opt_outs_after_erasure=table["keep_opt_outs_after_erasure"],
        sources=MappingProxyType(sources),
    )


def _places(document: dict[str, Any], by_id: Mapping[str, Regime]) -> dict[str, tuple[str, ...]]:
    _only(PLACES_FILE, document, {"version", "group"})
    _number(PLACES_FILE, document, "version", 1, 1_000_000)
    by_place: dict[str, tuple[str, ...]] = {}
    for group in document.get("group", []):
        _only(PLACES_FILE, group, {"regimes", "places", "source"})
        _text(PLACES_FILE, group, "source")
        _texts(PLACES_FILE, group, "regimes")
        _texts(PLACES_FILE, group, "places")
        for id_ in group["regimes"]:
            _need(id_ in by_id, PLACES_FILE, id_, "no such regime")
            _need(not by_id[id_].sectoral, PLACES_FILE, id_, "a sectoral regime never applies by place")
        for place in group["places"]:
            _need(PLACE.fullmatch(place) is not None, PLACES_FILE, place, "ISO 3166-1 or 3166-2, in capitals")
            _need(place not in by_place, PLACES_FILE, place, "given twice")
            by_place[place] = tuple(group["regimes"])
    countries = {place for place in by_place if len(place) == 2}
    for place in (*by_place, *(place for regime in by_id.values() for place in regime.child_ages)):
        _need(place[:2] in countries, PLACES_FILE, place, "its country is not listed")
    return by_place


def _only(where: str, table: Mapping[str, Any], keys: set[str]) -> None:
    for key in table:
        _need(key in keys, where, key, "unknown key")


def _text(where: str, table: Mapping[str, Any], key: str) -> None:
    value = table.get(key)
    _need(isinstance(value, str) and bool(value.strip()), where, key, "a text")


def _texts(where: str, table: Mapping[str, Any], key: str) -> None:
    value = table.get(key)
    _need(isinstance(value, list) and all(isinstance(item, str) for item in value), where, key, "a list of texts")


def _number(where: str, table: Mapping[str, Any], key: str, least: int, most: int) -> None:
    value = table.get(key)
    _need(type(value) is int and least <= value <= most, where, key, f"a whole number, {least} to {most}")


def _need(holds: bool, where: str, key: str, rule: str) -> None:
    if not holds:
        raise InvalidRegimes(f"{where}: {key}: {rule}")
