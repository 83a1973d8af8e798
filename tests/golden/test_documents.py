"""Receipts that people keep stay the same: made of the golden log they are the golden documents, to the last byte."""

import pytest

from tests.golden.documents import DOCUMENTS, as_text, document_path


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_of_the_golden_log_is_the_golden_document(name: str) -> None:
    assert as_text(DOCUMENTS[name]()) == document_path(name).read_text("utf-8")
