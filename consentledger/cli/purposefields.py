"""The options that describe a purpose, for creating and for changing one. What is not given is left as it is."""

from dataclasses import dataclass
from typing import Annotated, cast

import typer

from consentledger.cli import inputs
from consentledger.cli.failures import Misuse
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import types_pb2 as types

_BASIS = inputs.choice(types.LegalBasis, "LEGAL_BASIS_")


def basis(text: str) -> events.PurposeBasis:
    """Reads `gdpr=consent`. Raises Misuse."""
    regime, equals, name = text.partition("=")
    if not (regime and equals):
        raise Misuse("regime=basis, such as gdpr=consent")
    return events.PurposeBasis(regime=regime, basis=cast(types.LegalBasis, _BASIS(name)))


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a purpose by their names in the contract; None for one that was not given."""

    title: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None
    dpv_iri: Annotated[str | None, typer.Option(metavar="IRI", help="Its name in the Data Privacy Vocabulary.")] = None
    data_categories: Annotated[
        list[str] | None, typer.Option("--data-category", metavar="TOKEN", help="Which data; repeat it for several.")
    ] = None
    special_category: Annotated[
        bool | None,
        typer.Option("--special-category/--no-special-category", help="GDPR Art. 9: grants must be explicit."),
    ] = None
    directed_at_children: Annotated[
        bool | None,
        typer.Option("--directed-at-children/--not-directed-at-children", help="An unknown age counts as a child's."),
    ] = None
    bases: Annotated[
        list[events.PurposeBasis] | None,
        typer.Option("--basis", parser=basis, metavar="REGIME=BASIS", help="gdpr=consent; repeat it for each regime."),
    ] = None
    sector_regimes: Annotated[
        list[str] | None, typer.Option("--sector-regime", metavar="REGIME", help="Applies whatever the place: hipaa.")
    ] = None
    retention: Annotated[str | None, typer.Option(metavar="DURATION", help="ISO 8601: P24M.")] = None
    kept_by_law: Annotated[
        bool | None, typer.Option("--kept-by-law/--not-kept-by-law", help="The law asks for it even while restricted.")
    ] = None
    notice_id: Annotated[str | None, typer.Option(metavar="ID", help="The notice that people see for it.")] = None
