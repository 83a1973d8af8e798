"""The catalogue: what may change, and how two writers are kept apart."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.consent.domain import catalogue as c
from services.consent.domain.catalogue import Basis, Catalogue, NoticeDef, PurposeDef, TenantDef

AT = Moment(1, 1_000, 1)
PURPOSE = PurposeDef("a", {"gdpr": Basis.CONSENT})
NOTICE = NoticeDef("n", "v1", "en", b"", "text", material=True, purposes=("a",))


@pytest.fixture
def catalogue() -> Catalogue:
    made = Catalogue.open(TenantDef("acme"), Moment(0, 1, 1))
    c.create_purpose(made, PURPOSE, AT)
    c.publish_notice(made, NOTICE, AT)
    made.collect_events()
    return made


def _reason(act: Callable[[], object]) -> Reason:
    with pytest.raises(LedgerError) as refused:
        act()
    return refused.value.reason


def _revokes(catalogue: Catalogue) -> list[bool]:
    events: list[Any] = list(catalogue.collect_events())
    return [event.revokes for event in events]


def test_a_purpose_and_a_notice_version_are_made_once(catalogue: Catalogue) -> None:
    assert _reason(lambda: c.create_purpose(catalogue, PURPOSE, AT)) is Reason.PURPOSE_EXISTS
    assert _reason(lambda: c.publish_notice(catalogue, replace(NOTICE, id="m"), AT)) is Reason.NOTICE_EXISTS
    assert not catalogue.pending_events


def test_a_notice_speaks_of_known_purposes_only(catalogue: Catalogue) -> None:
    unknown = replace(NOTICE, version="v2", purposes=("a", "z"))
    assert _reason(lambda: c.publish_notice(catalogue, unknown, AT)) is Reason.PURPOSE_UNKNOWN


def test_a_change_of_an_older_version_is_refused(catalogue: Catalogue) -> None:
    c.update_purpose(catalogue, replace(PURPOSE, version=1, title="new"), AT)
    stale = replace(PURPOSE, version=1, title="other")
    assert _reason(lambda: c.update_purpose(catalogue, stale, AT)) is Reason.CATALOGUE_CONFLICT
    assert _reason(lambda: c.update_tenant(catalogue, TenantDef("acme", version=7), AT)) is Reason.CATALOGUE_CONFLICT
    c.update_purpose(catalogue, replace(PURPOSE, version=2, title="other"), AT)
    assert (catalogue.purposes["a"].title, catalogue.purposes["a"].version) == ("other", 3)


def test_a_retired_purpose_stays_retired_and_is_retired_once(catalogue: Catalogue) -> None:
    assert c.retire_purpose(catalogue, "a", AT)
    assert not c.retire_purpose(catalogue, "a", AT)
    c.update_purpose(catalogue, replace(PURPOSE, retired=False), AT)
    assert catalogue.purposes["a"].retired


def test_retiring_revokes_and_a_new_title_does_not(catalogue: Catalogue) -> None:
    c.update_purpose(catalogue, replace(PURPOSE, title="new"), AT)
    c.retire_purpose(catalogue, "a", AT)
    assert _revokes(catalogue) == [False, True]


def test_a_sector_that_is_added_revokes(catalogue: Catalogue) -> None:
    c.update_purpose(catalogue, replace(PURPOSE, sector_regimes=("hipaa",)), AT)
    assert _revokes(catalogue) == [True]


def test_versions_of_one_notice_are_counted_apart_from_those_of_others(catalogue: Catalogue) -> None:
    c.publish_notice(catalogue, replace(NOTICE, id="m", version="m1"), AT)
    c.publish_notice(catalogue, replace(NOTICE, version="v2", material=False), AT)
    assert {v: n.ordinal for v, n in catalogue.notices.items()} == {"v1": 1, "m1": 1, "v2": 2}
    assert not catalogue.stale("v1", "a")
