"""Reads what `make_acts.py` made, as the import command does, and counts it; nothing is sent.

python examples/import/read_records.py <folder>
"""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from consentledger.cli.import_records import record_rows, records_in
from consentledger.cli.imports import Rejected, csv_rows
from consentledger.v1.consent_service_pb2 import ImportRow


def count(rows: Iterable[ImportRow | Rejected]) -> Counter[str]:
    """How many rows there are of each act, and how many of each reason to reject."""
    return Counter(
        f"rejected: {row.field}: {row.rule}" if isinstance(row, Rejected) else str(row.WhichOneof("act"))
        for row in rows
    )


def main() -> None:
    """Prints the counts of the CSV and of the records."""
    folder = Path(sys.argv[1])
    with (folder / "acts.csv").open(encoding="utf-8", newline="") as lines:
        print("acts.csv", dict(count(csv_rows(lines))))
    records = records_in((folder / "records.json").read_text("utf-8"))
    print("records.json", dict(count(record_rows(records))))


if __name__ == "__main__":
    main()
