"""A downstream that obeys: it keeps a list of people it may contact, and strikes whoever took their consent back.

    python examples/downstream.py --nats nats://127.0.0.1:4222 --tenant default --downstream mailer \\
        --list contacts.sqlite --credentials mailer.json

- The list is a SQLite file with one table, `contact(namespace, id, purpose, position)`. `position` is that of the grant
  (`states[].position` of RecordConsent): a revocation strikes only what is older than itself, so that one delivered
  late does not undo a newer grant.
- The change is on disk before ENFORCED is told. A crash in between strikes nobody twice.
- A catalogue obligation concerns everybody: the purpose is struck for all, and whoever still may be contacted comes
  back when the ledger says so.
- What is printed and written to the journal holds no identifier.

The credentials are a NATS `.creds` file, or JSON: {"user": "...", "password": "..."}.
"""

import argparse
import asyncio
import json
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from consentledger.client.downstream import Downstream
from consentledger.client.obligation import ALL, Obligation, Outcome, enforced

TABLE = """CREATE TABLE IF NOT EXISTS contact (
    namespace TEXT NOT NULL, id TEXT NOT NULL, purpose TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (namespace, id, purpose))"""


class ContactList:
    """Who may be contacted for what."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute(TABLE)

    def add(self, namespace: str, id: str, purpose: str, position: int) -> None:
        """Take somebody in, whose grant is at this ledger position."""
        row = (namespace, id, purpose, position)
        self._connection.execute("INSERT OR REPLACE INTO contact VALUES (?, ?, ?, ?)", row)

    def may_contact(self, namespace: str, id: str, purpose: str) -> bool:
        """Whether they are on the list."""
        row = (namespace, id, purpose)
        found = self._connection.execute(
            "SELECT 1 FROM contact WHERE namespace = ? AND id = ? AND purpose = ?", row
        ).fetchone()
        return found is not None

    def strike(self, obligation: Obligation) -> int:
        """Enforce an obligation, in one transaction; how many rows went."""
        conditions, values = ["position < ?"], [obligation.ledger_position]
        arguments: list[object] = [*values]
        if ALL not in obligation.purposes:
            conditions.append(f"purpose IN ({_marks(obligation.purposes)})")
            arguments += obligation.purposes
        if not obligation.catalogue:
            conditions.append(f"namespace = ? AND id IN ({_marks(obligation.ids)})")
            arguments += [obligation.namespace, *obligation.ids]
        # The text is made of placeholders only; every value is an argument.
        return self._connection.execute(
            f"DELETE FROM contact WHERE {' AND '.join(conditions)}",  # noqa: S608
            arguments,
        ).rowcount

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))


def now_us() -> int:
    """The time in microseconds since the epoch."""
    return time.time_ns() // 1000


def credentials(file: Path | None) -> dict[str, str]:
    """User and password, or the path of a `.creds` file, as the client takes them."""
    if file is None:
        return {}
    text = file.read_text()
    if text.lstrip().startswith("{"):
        login = json.loads(text)
        return {"user": login["user"], "password": login["password"]}
    return {"credentials": str(file)}


async def run(options: argparse.Namespace) -> None:
    """Enforce until told to stop."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)

    with closing(ContactList(options.list)) as contacts:

        async def enforce(obligation: Obligation) -> Outcome:
            received_us = now_us()
            count = contacts.strike(obligation)
            enforced_us = now_us()
            if options.journal is not None:
                line = {"obligation": obligation.id, "received_at": received_us, "enforced_at": enforced_us}
                with options.journal.open("a") as journal:
                    journal.write(json.dumps(line) + "\n")
            whom = "everybody" if obligation.catalogue else "one person"
            print(
                f"obligation {obligation.id}: {', '.join(obligation.purposes)} stopped for {whom}, {count} struck",
                flush=True,
            )
            return enforced("suppressed", count, at_us=enforced_us)

        def report(obligation: str, failure: Exception) -> None:
            print(f"obligation {obligation}: {type(failure).__name__}, will be tried again", flush=True)

        login = credentials(options.credentials)
        client = Downstream(
            options.nats,
            options.tenant,
            options.downstream,
            enforce,
            on_failure=report,
            **login,  # type: ignore[arg-type]
        )
        async with client:
            print(f"{options.tenant}/{options.downstream} is listening", flush=True)
            await stopped.wait()


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="A downstream that enforces revocations.")
    parser.add_argument("--nats", required=True, help="URL of the NATS server, without credentials")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--downstream", required=True, help="the id it is registered under")
    parser.add_argument("--list", required=True, type=Path, help="SQLite file of whom it may contact; made if absent")
    parser.add_argument("--credentials", type=Path, help=".creds file, or JSON with user and password")
    parser.add_argument("--journal", type=Path, help="append a JSON line (times in microseconds) for each obligation")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
