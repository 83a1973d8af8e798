"""A checkpoint's text has one spelling, and no impossible checkpoint is read or made."""

import pytest

from consentledger.tlog.checkpoint import Checkpoint, CheckpointError, parse_checkpoint
from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.tlog.tree import LARGEST

ROOT = bytes(range(32))
SPELLED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("example.com/log", 1, ROOT),
        Checkpoint("an origin with spaces + plus — and more", 10, ROOT),
        Checkpoint("o", 0, EMPTY_ROOT),
        Checkpoint("o", LARGEST, ROOT, ("one", "two three")),
    ],
)
def test_what_is_written_is_read_back(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint(checkpoint.text()) == checkpoint


def test_the_text_is_that_of_the_specification() -> None:
    text = f"example.com/log\n20852163\n{SPELLED}\n"
    assert Checkpoint("example.com/log", 20852163, ROOT).text() == text
    assert parse_checkpoint(text) == Checkpoint("example.com/log", 20852163, ROOT)
    assert parse_checkpoint(text + "more\n").extensions == ("more",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "o\n7\n",
        f"o\n7\n{SPELLED}",
        f"\n7\n{SPELLED}\n",
        f"o\n7\n{SPELLED}\n\n",
        f"o\n7\n{SPELLED}\n\nmore\n",
        f"o\n7\n{SPELLED}\nmore",
        f"o\n07\n{SPELLED}\n",
        f"o\n+7\n{SPELLED}\n",
        f"o\n 7\n{SPELLED}\n",
        f"o\n７\n{SPELLED}\n",
        f"o\n\n{SPELLED}\n",
        f"o\n-1\n{SPELLED}\n",
        f"o\n0\n{SPELLED}\n",
        f"o\n{LARGEST + 1}\n{SPELLED}\n",
        f"o\r\n7\r\n{SPELLED}\r\n",
        f"o\t\n7\n{SPELLED}\n",
        f"o\ud800\n7\n{SPELLED}\n",
        f"o\n7\n{SPELLED}\nmore\x1f\n",
        f"o\n7\n{SPELLED[:-1]}\n",
        f"o\n7\n{SPELLED[:-2]}9=\n",
        f"o\n7\n{SPELLED} \n",
        "o\n7\n\n",
        "o\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n",
        "o\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions"),
    [
        ("", 1, ROOT, ()),
        ("a\nb", 1, ROOT, ()),
        ("o", -1, ROOT, ()),
        ("o", LARGEST + 1, ROOT, ()),
        ("o", 1, ROOT[:31], ()),
        ("o", 1, ROOT + b"\0", ()),
        ("o", 0, ROOT, ()),
        ("o", 1, ROOT, ("",)),
        ("o", 1, ROOT, ("fine", "a\nb")),
    ],
)
def test_impossible_parts_are_refused(origin: str, size: int, root: bytes, extensions: tuple[str, ...]) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint(origin, size, root, extensions)
