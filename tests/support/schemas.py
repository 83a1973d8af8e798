"""The JSON Schemas of our documents, read by another implementation than ours."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

NAMES = ("record", "receipt", "kantara", "controller")


def schema(name: str) -> Any:
    """One schema, as shipped."""
    file = resources.files("consentledger.receipts") / "data" / f"{name}.schema.json"
    return json.loads(file.read_text("utf-8"))


def validator(name: str) -> Any:
    """What checks a document; the schemas may refer to each other."""
    known = [(schema(other)["$id"], Resource.from_contents(schema(other))) for other in NAMES]
    return Draft202012Validator(schema(name), registry=Registry().with_resources(known))


def errors(name: str, document: Any) -> list[str]:
    """What is wrong with a document; nothing for a valid one."""
    return [
        f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator(name).iter_errors(document)
    ]


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document, containers included."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a path; without the key there, if the value is `...`."""
    copy = json.loads(json.dumps(document))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return copy
