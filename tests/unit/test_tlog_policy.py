"""Policies: what is accepted is what the quorum says, and a policy that is not understood is refused."""

from itertools import chain, combinations

import pytest

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.note import NoteError, VerifierKey, sign_note
from consentledger.tlog.policy import Policy, PolicyError
from consentledger.tlog.signatures import COSIGNATURE, ED25519
from tests.support.notes import ORIGIN, TIME, checkpoint, log_signer, quantum_witness, signed_checkpoint, witness

LOG = log_signer().verifier
NAMES = ("X1", "X2", "X3", "Y1", "Y2")
WITNESSES = {name: witness(f"{name}.example", TIME + i) for i, name in enumerate(NAMES)}
DEFINED = f"log {LOG.vkey()}\n" + "".join(f"witness {n} {w.verifier.vkey()}\n" for n, w in WITNESSES.items())
VKEY = WITNESSES["X1"].verifier.vkey()


def met_by(groups: str, quorum: str) -> set[frozenset[str]]:
    """The smallest sets of witnesses that meet the quorum, found by trying every set."""
    policy = Policy.parse(f"{DEFINED}{groups}quorum {quorum}\n")
    every = chain.from_iterable(combinations(NAMES, n) for n in range(len(NAMES) + 1))
    met = [frozenset(some) for some in every if accepted(policy, some)]
    return {some for some in met if not any(other < some for other in met)}


def accepted(policy: Policy, names: tuple[str, ...]) -> bool:
    result = policy.check(signed_checkpoint(7, *(WITNESSES[name] for name in names)))
    assert set(result.witnesses) == set(names)
    return result.accepted


@pytest.mark.parametrize(
    ("groups", "quorum", "smallest"),
    [
        ("", "none", [()]),
        ("", "X1", [("X1",)]),
        ("group g any X1 X2\n", "g", [("X1",), ("X2",)]),
        ("group g all X1 X2\n", "g", [("X1", "X2")]),
        ("group g 1 X1 X2\n", "g", [("X1",), ("X2",)]),
        ("group g 2 X1 X2 X3\n", "g", [("X1", "X2"), ("X1", "X3"), ("X2", "X3")]),
        ("group g 3 X1 X2 X3\n", "g", [("X1", "X2", "X3")]),
        ("group g any X1 X2\n", "Y1", [("Y1",)]),
        ("group g any X1 X2\n", "none", [()]),
        ("group g any X1 X2\ngroup h all g Y1\n", "h", [("X1", "Y1"), ("X2", "Y1")]),
        ("group g any X1 X2\ngroup h all g Y1\n", "g", [("X1",), ("X2",)]),
        (
            "group g 2 X1 X2 X3\ngroup h any Y1 Y2\ngroup both all g h\n",
            "both",
            [(a, b, y) for a, b in (("X1", "X2"), ("X1", "X3"), ("X2", "X3")) for y in ("Y1", "Y2")],
        ),
        ("group g all X1\ngroup h 1 g\ngroup i any h\n", "i", [("X1",)]),
    ],
)
def test_a_quorum_is_met_by_exactly_these(groups: str, quorum: str, smallest: list[tuple[str, ...]]) -> None:
    assert met_by(groups, quorum) == {frozenset(some) for some in smallest}


def test_a_result_tells_who_has_signed_and_when() -> None:
    policy = Policy.parse(DEFINED + "group g all X2 Y1\nquorum g\n")
    result = policy.check(signed_checkpoint(7, WITNESSES["Y1"], WITNESSES["X1"]))
    assert result.checkpoint == checkpoint(7)
    assert result.logs == (LOG,)
    assert result.witnesses == {"X1": TIME, "Y1": TIME + 3}
    assert not result.quorum
    assert policy.check(signed_checkpoint(7, WITNESSES["Y1"], WITNESSES["X2"])).accepted


def test_of_several_cosignatures_of_a_witness_the_latest_counts() -> None:
    policy = Policy.parse(DEFINED + "quorum X1\n")
    note = signed_checkpoint(7, witness("X1.example", 9))
    for time in (7, 12, 3):
        note += sign_note(checkpoint(7).text(), [witness("X1.example", time)]).partition(b"\n\n")[2]
    assert policy.check(note).witnesses == {"X1": 12}


def test_an_ml_dsa_witness_counts_also_without_a_time() -> None:
    w = quantum_witness("q.example", 0)
    policy = Policy.parse(f"log {LOG.vkey()}\nwitness q {w.verifier.vkey()}\nquorum q\n")
    assert policy.check(signed_checkpoint(7, w)).witnesses == {"q": 0}
    assert policy.verify(signed_checkpoint(7, w)).accepted


def test_a_log_may_have_keys_of_both_kinds() -> None:
    second = quantum_witness(ORIGIN, 0)
    policy = Policy.parse(f"log {LOG.vkey()}\nlog {second.verifier.vkey()}\nquorum none\n")
    both = sign_note(checkpoint(7).text(), [log_signer(), second])
    assert policy.check(both).logs == (LOG, second.verifier)
    assert policy.check(sign_note(checkpoint(7).text(), [second])).accepted


def test_extension_lines_that_the_log_has_not_signed_are_not_accepted() -> None:
    second = quantum_witness(ORIGIN, 0)
    policy = Policy.parse(f"log {LOG.vkey()}\nlog {second.verifier.vkey()}\nquorum none\n")
    short, long = checkpoint(7).text(), checkpoint(7, extensions=("added on the way",)).text()
    lines = sign_note(short, [second]).partition(b"\n\n")[2]
    added = long.encode() + b"\n" + lines
    assert not policy.check(added).accepted
    with pytest.raises(PolicyError):
        policy.verify(added)
    assert policy.check(sign_note(long, [second, log_signer()])).logs == (LOG,)


def test_without_the_logs_signature_nothing_is_accepted() -> None:
    policy = Policy.parse(DEFINED + "quorum X1\n")
    by_witness = sign_note(checkpoint(7).text(), [WITNESSES["X1"]])
    assert policy.check(by_witness).quorum
    assert not policy.check(by_witness).accepted
    elsewhere = Checkpoint("other.example", 7, checkpoint(7).root)
    under_another_origin = sign_note(elsewhere.text(), [log_signer(), WITNESSES["X1"]])
    assert not policy.check(under_another_origin).accepted
    for note in (
        by_witness,
        under_another_origin,
        signed_checkpoint(7),
        b"no note\n",
        sign_note("no\n", [log_signer()]),
    ):
        with pytest.raises(PolicyError):
            policy.verify(note)
    assert policy.verify(signed_checkpoint(7, WITNESSES["X1"])).witnesses == {"X1": TIME}


def test_a_witness_key_is_no_log_key_though_its_name_is_the_origin() -> None:
    w = witness(ORIGIN)
    policy = Policy.parse(f"log {LOG.vkey()}\nwitness w {w.verifier.vkey()}\nquorum w\n")
    result = policy.check(sign_note(checkpoint(7).text(), [w]))
    assert (result.logs, result.quorum, result.accepted) == ((), True, False)


def test_a_cosignature_that_does_not_hold_condemns_the_checkpoint() -> None:
    policy = Policy.parse(DEFINED + "quorum none\n")
    note = signed_checkpoint(7) + sign_note(checkpoint(8).text(), [WITNESSES["X1"]]).partition(b"\n\n")[2]
    with pytest.raises(NoteError):
        policy.check(note)


def test_a_log_known_from_elsewhere_may_be_named_beside_the_policy() -> None:
    policy = Policy.parse(f"witness X1 {VKEY}\nquorum X1\n")
    note = signed_checkpoint(7, WITNESSES["X1"])
    assert not policy.check(note).accepted
    assert policy.check(note, [LOG]).logs == (LOG,)
    assert policy.verify(note, [LOG]).accepted


def test_blank_lines_comments_tabs_and_urls_are_read() -> None:
    url = "https://w.example/é"
    text = f" \n\t\n# log\n \t#x\n\tlog\t {LOG.vkey()}  {url}\t\n witness  é\t{VKEY} {url}\n\nquorum\té \n#"
    policy = Policy.parse(text + "\n")
    assert [(log.key, log.url) for log in policy.logs] == [(LOG, url)]
    assert [(w.name, w.key.vkey(), w.url) for w in policy.witnesses] == [("é", VKEY, url)]
    assert (policy.groups, policy.quorum) == ((), "é")
    assert Policy.parse((text + "\n").encode()) == policy
    with pytest.raises(PolicyError):
        Policy.parse(text)


def test_names_are_bytes_and_a_kelvin_is_no_k() -> None:
    with pytest.raises(PolicyError):
        Policy.parse(f"witness K {VKEY}\nquorum \u212a\n")
    with pytest.raises(PolicyError):
        Policy.parse(f"witness e\u0301 {VKEY}\nquorum é\n")
    strange = f"witness \xff {VKEY}\nquorum ".encode("latin-1")
    assert Policy.parse(strange + b"\xff\n").quorum == "\udcff"
    for other in (b"\xfe\n", b"\xc3\xbf\n"):
        with pytest.raises(PolicyError):
            Policy.parse(strange + other)


def keys(count: int, kind: int) -> list[str]:
    return [VerifierKey.of(f"k.example/{i}", kind, i.to_bytes(32, "big")).vkey() for i in range(count)]


def test_at_least_32_of_each_are_read_and_at_most_256() -> None:
    for count in (32, 256):
        logs = "".join(f"log {key}\n" for key in keys(count, ED25519))
        witnesses = "".join(f"witness w{i} {key}\n" for i, key in enumerate(keys(count, COSIGNATURE)))
        groups = "".join(f"group g{i} any w{i}\n" for i in range(count))
        policy = Policy.parse(logs + witnesses + groups + "quorum g1\n")
        assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (count,) * 3
    many = keys(257, COSIGNATURE)
    for text in (
        "".join(f"log {key}\n" for key in keys(257, ED25519)),
        "".join(f"witness w{i} {key}\n" for i, key in enumerate(many)),
        f"witness w {VKEY}\ngroup g0 any w\n" + "".join(f"group g{i + 1} any g{i}\n" for i in range(256)),
    ):
        with pytest.raises(PolicyError):
            Policy.parse(text + "quorum none\n")


def test_a_policy_of_a_million_characters_is_read_and_a_longer_one_is_not() -> None:
    text = "\nquorum none\n"
    assert Policy.parse("#" * (1_000_000 - len(text)) + text).quorum == "none"
    with pytest.raises(PolicyError):
        Policy.parse("#" * (1_000_001 - len(text)) + text)


W = f"witness w {VKEY}\n"
OTHER = WITNESSES["X2"].verifier.vkey()
RENAMED = VerifierKey.of("renamed.example", COSIGNATURE, WITNESSES["X1"].verifier.public).vkey()
RENAMED_LOG = VerifierKey.of("renamed.example", ED25519, LOG.public).vkey()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        W,
        "quorum none",
        "quorum none\r\n",
        "quorum none\nquorum none\n",
        "quorum\n",
        "quorum none none\n",
        "quorum w\n" + W,
        W + "quorum W\n",
        "Quorum none\n",
        "quorum none #\n",
        "quorum\u00a0none\n",
        "quorum none\x7f\n",
        "quorum none\0\n",
        "quorum none\x0b\n",
        "quorum none\ud800\n",
        "#\x7f\nquorum none\n",
        "#\0\nquorum none\n",
        "#\x08\nquorum none\n",
        "#\x0b\nquorum none\n",
        "#\x1f\nquorum none\n",
        "#\r\nquorum none\n",
        "#\ud800\nquorum none\n",
        "unknown\nquorum none\n",
        "log\nquorum none\n",
        f"log {LOG.vkey()} u u\nquorum none\n",
        f"log {LOG.vkey()}\nlog {LOG.vkey()}\nquorum none\n",
        f"log {LOG.vkey()}\nlog {RENAMED_LOG}\nquorum none\n",
        f"log {VKEY}\nquorum none\n",
        "log nokey\nquorum none\n",
        "witness w\nquorum none\n",
        f"witness {VKEY}\nquorum none\n",
        f"witness w {VKEY} u u\nquorum none\n",
        f"witness none {VKEY}\nquorum none\n",
        f"witness w {LOG.vkey()}\nquorum none\n",
        W + W + "quorum w\n",
        W + f"witness w {OTHER}\nquorum w\n",
        W + f"witness v {VKEY}\nquorum w\n",
        W + f"witness v {RENAMED}\nquorum w\n",
        W + "group g\nquorum w\n",
        W + "group g any\nquorum w\n",
        W + "group g w\nquorum w\n",
        W + "group g any v\nquorum w\n",
        W + "group g any w w\nquorum w\n",
        W + "group g any g\nquorum w\n",
        W + "group g any none\nquorum w\n",
        W + "group none any w\nquorum w\n",
        W + "group w any w\nquorum w\n",
        W + "group g some w\nquorum w\n",
        W + "group g ANY w\nquorum w\n",
        W + "group g 0 w\nquorum w\n",
        W + "group g 2 w\nquorum w\n",
        W + "group g -1 w\nquorum w\n",
        W + "group g 01 w\nquorum w\n",
        W + "group g +1 w\nquorum w\n",
        W + "group g any w\ngroup h any w\nquorum h\n",
        W + "group g any w\ngroup h any w g\nquorum h\n",
        "group g any w\n" + W + "quorum g\n",
        W + "group g any w\ngroup g any w\nquorum g\n",
        W + "quorum g\ngroup g any w\n",
    ],
)
def test_any_other_text_is_no_policy(text: str) -> None:
    with pytest.raises(PolicyError):
        Policy.parse(text)
