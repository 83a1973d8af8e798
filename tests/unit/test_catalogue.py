"""The example catalogue is one that the services take: valid messages, real vocabulary, every reference resolved."""

import json
import re
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from consentledger.regimes.load import regimes
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import notifier_service_pb2 as notifier
from consentledger.v1 import purpose_service_pb2 as catalogue
from consentledger.v1 import types_pb2 as types
from tests.support.shared_data import shared_column

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "catalogue"
FILES: dict[str, type[Message]] = {
    "tenant.json": events.Tenant,
    "purposes.json": catalogue.ListPurposesResponse,
    "notices.json": catalogue.ListNoticesResponse,
    "downstreams.json": notifier.ListDownstreamsResponse,
}
ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
BASES = types.LegalBasis
OPT_IN = {BASES.LEGAL_BASIS_CONSENT, BASES.LEGAL_BASIS_EXPLICIT_CONSENT}


def _json(name: str) -> object:
    return json.loads((FOLDER / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def purposes() -> dict[str, events.Purpose]:
    page = ParseDict(_json("purposes.json"), catalogue.ListPurposesResponse())
    return {purpose.id: purpose for purpose in page.purposes}


@pytest.fixture(scope="module")
def notices() -> list[events.Notice]:
    return list(ParseDict(_json("notices.json"), catalogue.ListNoticesResponse()).notices)


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_protobuf_json_and_loses_nothing(name: str) -> None:
    assert MessageToDict(ParseDict(_json(name), FILES[name]())) == _json(name)


def test_there_are_twenty_purposes_each_once(purposes: dict[str, events.Purpose]) -> None:
    assert len(purposes) == 20 == len(json.loads((FOLDER / "purposes.json").read_text("utf-8"))["purposes"])


def test_every_purpose_is_complete(purposes: dict[str, events.Purpose]) -> None:
    for purpose in purposes.values():
        assert ID.fullmatch(purpose.id)
        assert purpose.title and purpose.description and purpose.data_categories
        assert re.fullmatch(r"P\d+[YMD]", purpose.retention), purpose.id
        assert purpose.version == 0 and not purpose.retired


def test_every_purpose_iri_is_a_purpose_of_dpv(purposes: dict[str, events.Purpose]) -> None:
    known = shared_column("dpv/dpv-2.3-purposes.csv", "iri")
    assert [purpose.id for purpose in purposes.values() if purpose.dpv_iri not in known] == []


def test_every_data_category_iri_is_one_of_dpv(purposes: dict[str, events.Purpose]) -> None:
    known = shared_column("dpv/dpv-2.3-personal_data.csv", "iri")
    for purpose in purposes.values():
        iris = [category for category in purpose.data_categories if ":" in category]
        assert iris and set(iris) <= known, purpose.id
        assert all(ID.fullmatch(category) for category in purpose.data_categories if ":" not in category)


def test_every_purpose_has_one_basis_under_every_regime_that_applies_by_place(
    purposes: dict[str, events.Purpose],
) -> None:
    by_place = {id_ for id_, regime in regimes().by_id.items() if not regime.sectoral}
    for purpose in purposes.values():
        given = [basis.regime for basis in purpose.bases]
        assert sorted(given) == sorted(by_place | set(purpose.sector_regimes)), purpose.id
        assert all(basis.basis != BASES.LEGAL_BASIS_UNSPECIFIED for basis in purpose.bases)


def test_only_sectoral_regimes_are_named_as_sectors(purposes: dict[str, events.Purpose]) -> None:
    sectors = {id_ for purpose in purposes.values() for id_ in purpose.sector_regimes}
    assert sectors == {"hipaa"}
    assert all(regimes().by_id[id_].sectoral for id_ in sectors)


def test_consent_to_special_categories_is_explicit_in_europe(purposes: dict[str, events.Purpose]) -> None:
    for purpose in purposes.values():
        gdpr = next(basis.basis for basis in purpose.bases if basis.regime == "gdpr")
        assert (gdpr == BASES.LEGAL_BASIS_EXPLICIT_CONSENT) == (purpose.special_category and gdpr in OPT_IN), purpose.id


def test_a_purpose_for_children_never_runs_without_consent(purposes: dict[str, events.Purpose]) -> None:
    for_children = [purpose for purpose in purposes.values() if purpose.directed_at_children]
    assert for_children
    assert all(basis.basis in OPT_IN for purpose in for_children for basis in purpose.bases)


def test_the_sale_of_data_can_be_opted_out_of_in_california(purposes: dict[str, events.Purpose]) -> None:
    for id_ in ("data.sale", "ads.targeted"):
        bases = {basis.regime: basis.basis for basis in purposes[id_].bases}
        assert (bases["ccpa"], bases["gdpr"]) == (BASES.LEGAL_BASIS_OPT_OUT, BASES.LEGAL_BASIS_CONSENT)


def test_every_notice_is_a_text_for_people(notices: list[events.Notice]) -> None:
    assert len({notice.version for notice in notices}) == len(notices) >= 10
    for notice in notices:
        assert ID.fullmatch(notice.id) and VERSION.fullmatch(notice.version) and notice.language in ("en", "de")
        assert len(notice.text) >= 200 and len(notice.text.encode()) <= 32 * 1024
        assert not notice.text_sha256 and not notice.HasField("published_at")


def test_notices_and_purposes_name_each_other(
    purposes: dict[str, events.Purpose], notices: list[events.Notice]
) -> None:
    spoken = {(notice.id, purpose) for notice in notices for purpose in notice.purposes}
    assert spoken == {(purpose.notice_id, purpose.id) for purpose in purposes.values()}


def test_a_new_purpose_or_party_makes_a_notice_material(notices: list[events.Notice]) -> None:
    material = {notice.version for notice in notices if notice.material}
    assert material == {"marketing-2026-02", "website-2025-09", "clinic-research-2025-04"}
    first = {notice.id: notice.version for notice in reversed(notices)}
    assert not material & set(first.values())


def test_downstreams_receive_purposes_of_the_catalogue(purposes: dict[str, events.Purpose]) -> None:
    page = ParseDict(_json("downstreams.json"), notifier.ListDownstreamsResponse())
    assert [downstream.id for downstream in page.downstreams] == ["mailer", "analytics"]
    for downstream in page.downstreams:
        assert set(downstream.purposes) <= purposes.keys()
        assert downstream.kind != events.DOWNSTREAM_KIND_UNSPECIFIED and downstream.identifier_namespace


def test_the_tenants_default_place_has_a_regime() -> None:
    tenant = ParseDict(_json("tenant.json"), events.Tenant())
    assert tenant.id == "demo"
    assert regimes().at(tenant.default_jurisdiction)
