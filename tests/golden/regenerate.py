"""Write the golden files anew: `python -m tests.golden.regenerate`. A changed line is a changed format on disk."""

from tests.golden.leaves import as_json, built


def main() -> None:
    """Write both."""
    for golden in built():
        golden.path.write_text(as_json(golden), "utf-8")
        print(f"{golden.path.name}: {len(golden.entries)} events")


if __name__ == "__main__":
    main()
