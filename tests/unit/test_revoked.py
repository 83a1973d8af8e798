"""The comparison of what was handed out with what the log says finds every kind of difference."""

from consentledger.client.obligation import ALL, Obligation
from tests.support import revoked
from tests.support.revoked import Revoked


def told(position: int, *ids: str) -> Obligation:
    return Obligation("", "acme", "mailer", position, ("p",), "email", ids, not ids, "", 0, 0)


def test_what_is_missing_late_or_misnamed_is_found() -> None:
    ada, bea = b"a" * 16, b"b" * 16
    log = [Revoked(n, who, frozenset({"p"})) for n, who in ((1, ada), (2, bea), (3, ada), (4, b""))]
    a1, b2, a3, all4 = told(1, "ada"), told(2, "bea"), told(3, "ada"), told(4)
    expected = revoked.due(log, [ALL])
    assert revoked.unlike(expected, [a1, b2, a3, all4, a1]) == set()
    assert revoked.unlike(expected, [a1, b2, all4]) == {3}
    assert revoked.unlike(expected, [a1, b2, a3, all4, told(5)]) == {5}
    assert revoked.unlike(revoked.due(log, ["q"]), []) == set()
    assert revoked.overtaken(log, [b2, a1, a3, a1, all4]) == []
    assert revoked.overtaken(log, [a3, b2, a1]) == [(3, 1)]
    assert revoked.overtaken(log, [a3, b2, a1], {1}) == []
    assert revoked.misnamed(log, [a1, b2, a3, all4]) == set()
    assert revoked.misnamed(log, [a1, told(2, "ada"), told(3, "bea"), all4]) == {2, 3}
