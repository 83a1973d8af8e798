"""The examples of the C2SP specifications, and those of other implementations, byte for byte."""

from typing import Any

import pytest

from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.note import VerifierKey, open_note, read_note
from consentledger.tlog.prooffile import ProofFileError, TlogProof, parse_proof
from consentledger.tlog.signatures import COSIGNATURE, ED25519, cosignature_message
from consentledger.tlog.tiles import Tile, parse_path, tile_path, tiles_of
from consentledger.tlog.tree import EMPTY
from tests.support.rfc_tree import RfcTree
from tests.support.shared_data import shared_json


def examples() -> Any:
    return shared_json("c2sp/examples.json")


def test_the_example_of_signed_note_opens() -> None:
    example = examples()["signed_note_valid"]
    key = VerifierKey.parse(example["vkey"])
    opened = open_note(example["note"].encode(), [key])
    assert opened.text == "This is an example message.\n"
    assert [one.key for one in opened.verified] == [key]
    assert read_note(example["note"].encode())[1][0].key_id == key.key_id


def test_the_examples_of_tile_paths_hold_both_ways() -> None:
    for example in examples()["tile_path"]:
        tile = Tile(0, example["index"])
        assert tile_path(tile) == "tile/0/" + example["path"]
        assert parse_path("tile/0/" + example["path"]) == tile


def test_the_examples_of_tree_sizes_have_those_tiles() -> None:
    for example in examples()["tiles_for_size"]:
        found: dict[str, int] = {}
        for tile in tiles_of(example["size"]):
            if tile.width < 256:
                found[f"level{tile.level}_partial"] = tile.width
            else:
                found[f"level{tile.level}_full"] = found.get(f"level{tile.level}_full", 0) + 1
        assert found == {key: value for key, value in example.items() if key != "size"}


def test_a_cosignature_signs_the_message_of_the_example() -> None:
    message = examples()["cosignature_v1_message"]
    _, _, text = message.split("\n", 2)
    assert cosignature_message(parse_checkpoint(text), 1679315147).decode() == message


def test_the_examples_of_proof_files_are_written_and_read_or_refused() -> None:
    for example in examples()["tlog_proof_marshal"]:
        proof = TlogProof(example["index"], tuple(example["hashes"]), example["checkpoint"].encode())
        assert proof.to_bytes().decode() == example["want"]
        assert parse_proof(example["want"].encode()) == proof
    for text in examples()["tlog_proof_reject"]:
        with pytest.raises(ProofFileError):
            parse_proof(text.encode())


def test_keys_of_other_implementations_are_read() -> None:
    for name, kind in [
        ("tessera_testdata_log_vkey", ED25519),
        ("sunlight_mirror_vkey", COSIGNATURE),
        ("sunlight_witness_vkey", COSIGNATURE),
    ]:
        vkey = examples()[name]
        key = VerifierKey.parse(vkey)
        assert (key.vkey(), key.type) == (vkey, kind)


def test_the_leaves_of_another_log_have_the_root_of_the_definition() -> None:
    leaves = [leaf.encode() for leaf in examples()["tessera_leaves"]]
    tree = RfcTree(leaves)
    edge = EMPTY.append(tree.root(i, i + 1) for i in range(len(leaves)))
    assert edge.root() == tree.root(0, len(leaves))
