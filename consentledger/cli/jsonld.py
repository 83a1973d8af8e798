"""As much of JSON-LD as a consent record needs: names expanded by the record's own prefixes.

Pure, and no JSON-LD processor: a context that lies elsewhere is refused, since nothing is fetched; terms, aliases and
graphs are not known.

- Names are given here as `dpv:`, `dct:`, `rdf:`, `skos:` and `cl:` (our own), whatever prefixes the record uses.
- What is not as expected raises RowError with the name, never with the value.
"""

from collections.abc import Mapping
from typing import Any

from consentledger.cli.imports import RowError
from consentledger.receipts.vocabulary import OWN

DPV = "https://w3id.org/dpv#"
_SHORT = {
    "dpv": DPV,
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "cl": OWN,
}


def expanded(record: object) -> dict[str, Any]:
    """The record with all names expanded; every value a list, every `@type` a list of IRIs. Raises RowError."""
    if not isinstance(record, dict):
        raise RowError("record", "a JSON object")
    prefixes: dict[str, str] = {}
    for context in many(record.get("@context", [])):
        if not isinstance(context, dict) or not all(isinstance(iri, str) for iri in context.values()):
            raise RowError("@context", "prefixes within the record")
        prefixes |= context
    try:
        node: dict[str, Any] = _node(record, prefixes)
    except RecursionError:
        raise RowError("record", "less deeply nested") from None
    return node


def nodes(node: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects under a name, written short ("dpv:hasNotice"); a text where an object is meant is refused."""
    found = node.get(_long(name), [])
    if not all(isinstance(item, dict) for item in found):
        raise RowError(name, "an object")
    return list(found)


def texts(node: Mapping[str, Any], *names: str) -> list[str]:
    """The different texts under the names, in order; literals written as `@value` too."""
    found: list[str] = []
    for name in names:
        for item in node.get(_long(name), []):
            text = item.get("@value") if isinstance(item, dict) else item
            if not isinstance(text, str):
                raise RowError(name, "a text")
            if text not in found:
                found.append(text)
    return found


def one_text(node: Mapping[str, Any], *names: str) -> str:
    """The only text under the names."""
    found = texts(node, *names)
    if len(found) != 1:
        raise RowError(names[0], "exactly one")
    return found[0]


def many(value: object) -> list[Any]:
    """A list as it is; anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def _node(value: object, prefixes: Mapping[str, str]) -> Any:
    if not isinstance(value, dict):
        return value
    node: dict[str, Any] = {"@type": [_iri(kind, prefixes) for kind in many(value.get("@type", []))]}
    if "@id" in value:
        node["@id"] = _iri(value["@id"], prefixes)
    if "@value" in value:
        node["@value"] = value["@value"]
    for key, held in value.items():
        if not key.startswith("@"):
            node.setdefault(_iri(key, prefixes), []).extend(_node(item, prefixes) for item in many(held))
    return node


def _iri(name: object, prefixes: Mapping[str, str]) -> str:
    if not isinstance(name, str):
        raise RowError("record", "IRIs are texts")
    prefix, colon, rest = name.partition(":")
    return prefixes[prefix] + rest if colon and prefix in prefixes and not rest.startswith("//") else name


def _long(name: str) -> str:
    prefix, _, rest = name.partition(":")
    return _SHORT[prefix] + rest
