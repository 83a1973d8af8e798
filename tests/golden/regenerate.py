"""Write the golden files anew: `python -m tests.golden.regenerate`. A changed line is a changed format on disk."""

from tests.golden.documents import DOCUMENTS, as_text, document_path
from tests.golden.leaves import as_json, built


def main() -> None:
    """Write all: the logs, then the documents that are made of them."""
    for golden in built():
        golden.path.write_text(as_json(golden), "utf-8")
        print(f"{golden.path.name}: {len(golden.entries)} events")
    for name, make in DOCUMENTS.items():
        document_path(name).write_text(as_text(make()), "utf-8")
        print(document_path(name).name)


if __name__ == "__main__":
    main()
