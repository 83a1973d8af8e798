"""Arguments that several commands take, and how they are read.

- A SUBJECT is `namespace:id`; `-` reads it from stdin, one line each, so that it is in no shell history.
- Times carry an offset. A local time without one is refused, not guessed.
- What cannot be read is told by its rule, never by its value.
"""

import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.cli.failures import Misuse
from consentledger.cli.imports import RowError, instant
from consentledger.v1 import types_pb2 as types

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

M = TypeVar("M", bound=Message)


def subject(text: str) -> types.SubjectRef:
    """`email:ada@example.org`; only the first colon divides. Raises Misuse."""
    if text == "-":
        text = sys.stdin.readline().rstrip("\r\n")
    namespace, colon, identifier = text.partition(":")
    if not (namespace and colon and identifier):
        raise Misuse("a subject is namespace:id, such as email:ada@example.org")
    try:
        return types.SubjectRef(namespace=namespace, id=identifier)
    except (ValueError, UnicodeError):
        raise Misuse("a subject is UTF-8 text") from None


def timestamp(text: str) -> Timestamp:
    """An RFC 3339 date and time with its offset. Raises Misuse."""
    stamp = Timestamp()
    try:
        stamp.FromDatetime(instant("time", text))
    except RowError as error:
        raise Misuse(error.rule) from None
    except (ValueError, OverflowError):
        raise Misuse("between the years 1 and 9999 in UTC") from None
    return stamp


def request_id(text: str) -> str:
    """A UUID. Raises Misuse."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Misuse("a UUID") from None


def given(fields_given: "DataclassInstance", message: M) -> M:
    """The message with the fields that are not None; a list that holds anything replaces the message's."""
    for field in fields(fields_given):
        value = getattr(fields_given, field.name)
        if isinstance(value, list):
            if value:
                message.ClearField(field.name)
                getattr(message, field.name).extend(value)
        elif value is not None:
            setattr(message, field.name, value)
    return message


def choice(enum: EnumTypeWrapper, prefix: str) -> Callable[[str], int]:
    """Reads the names of an enum, without prefix, in any case and with `-` for `_`."""
    names = {name.removeprefix(prefix).lower().replace("_", "-"): value for name, value in enum.items() if value}

    def read(text: str) -> int:
        value = names.get(text.lower().replace("_", "-"))
        if value is None:
            raise Misuse(f"one of {', '.join(names)}")
        return value

    return read


def new_request_id(given: str | None) -> str:
    """The one given, or a new one."""
    return given or str(uuid.uuid4())


Subject = Annotated[types.SubjectRef, typer.Argument(parser=subject, metavar="SUBJECT", help="namespace:id, or -.")]
Purpose = Annotated[str, typer.Argument(metavar="PURPOSE", help="The purpose's id.")]
SomePurposes = Annotated[list[str], typer.Argument(metavar="PURPOSE", help="One or more purposes.")]
AnyPurposes = Annotated[list[str] | None, typer.Argument(metavar="PURPOSE", help="None means all, known now or later.")]
OccurredAt = Annotated[
    Timestamp | None, typer.Option(parser=timestamp, metavar="TIME", help="When the person acted; now if left out.")
]
AgeBand = Annotated[
    int | None, typer.Option(parser=choice(types.AgeBand, "AGE_BAND_"), metavar="adult|minor", help="If it is known.")
]
Jurisdiction = Annotated[str, typer.Option(metavar="PLACE", help="ISO 3166-1 or 3166-2: DE, US-CA.")]
Language = Annotated[str, typer.Option(metavar="TAG", help="BCP 47.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Free text, kept sealed.")]
RequestId = Annotated[
    str | None, typer.Option(parser=request_id, metavar="UUID", help="Repeat it to repeat the write; new if left out.")
]


@dataclass(frozen=True, slots=True)
class Collected:
    """How, where and by whom an act was collected: options that every act takes."""

    jurisdiction: Jurisdiction = ""
    method: Annotated[str, typer.Option(metavar="TOKEN", help="How the person acted: checkbox, phone.")] = ""
    language: Language = ""
    collector: Annotated[str, typer.Option(metavar="TOKEN", help="The system that collected the act.")] = ""

    def context(self, age_band: int | None = None) -> types.Context:
        """As the services take it."""
        return types.Context(
            method=self.method,
            jurisdiction=self.jurisdiction,
            language=self.language,
            collector=self.collector,
            age_band=cast(types.AgeBand, age_band or 0),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """Why a person's data is read: options of every command that reads it."""

    access_purpose: Annotated[
        str, typer.Option(metavar="TOKEN", help="Why it is read: audit, support; recorded, and told to the person.")
    ] = ""
    actor: Annotated[str, typer.Option(metavar="NAME", help="Who reads; recorded sealed, and told to the person.")] = ""

    def reason(self) -> types.AccessReason:
        """As the services take it."""
        return types.AccessReason(purpose=self.access_purpose, actor=self.actor)
