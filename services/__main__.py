"""`python -m services [consent|rights|notifier ...]`: all three in one process unless some are named.

Without `--store` and `--nats` everything is embedded: SQLite files and a nats-server of our own under `--data`.
"""

import argparse
import asyncio
import sys
from dataclasses import replace

from consentledger import journal
from consentledger.bus.errors import BusError
from consentledger.crypto.keyring import KeyringUnusable
from consentledger.rpc.address import InsecureAddress
from consentledger.settings import ServiceSettings, service_settings
from consentledger.store.ledger import SchemaTooOld, StoreUnavailable
from consentledger.store.open import NotAStore
from services.audit.service import AuditUnusable
from services.embedded import ALL, CannotListen, Process, serve
from services.notifier.webhooks.running import WebhooksUnusable

_OPTIONS = (
    "listen", "data", "store", "keys", "keyring", "guard", "nats", "nats_credentials", "consent", "notifier",
    "tiles", "witnesses", "checkpoints", "log_level",
)  # fmt: skip

_REFUSALS = (
    InsecureAddress, CannotListen, KeyringUnusable, NotAStore, SchemaTooOld, StoreUnavailable, BusError,
    AuditUnusable, WebhooksUnusable, OSError,
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or SIGINT; 0 after a drain, 1 when it could not start, 2 for wrong use."""
    try:
        settings = service_settings()
    except ValueError as wrong:
        print(f"cannot start: {wrong}", file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="SERVICE", help=f"of {', '.join(ALL)}; all if none is named")
    for name in _OPTIONS:
        parser.add_argument(f"--{name.replace('_', '-')}", default=getattr(settings, name))
    parser.add_argument("--hints", action="store_true", help="print three commands to try")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(ALL):
        parser.error(f"no such service: {', '.join(sorted(unknown))}")
    settings = replace(settings, **{name: getattr(given, name) for name in _OPTIONS})
    names = tuple(n for n in ALL if n in given.names) or ALL
    try:
        journal.configure("+".join(names) if len(names) < len(ALL) else "all", settings.log_level)
    except ValueError:
        parser.error("no such log level")
    try:
        asyncio.run(serve(settings, names, (lambda p: _hints(settings, p)) if given.hints else None))
    except _REFUSALS as refusal:
        print(f"cannot start: {refusal}", file=sys.stderr)
        return 1
    return 0


def _hints(settings: ServiceSettings, process: Process) -> None:
    host = settings.listen.rpartition(":")[0]
    command = f".venv/bin/consentledger --server {host}:{process.port}"
    print(
        "Consent Ledger is up. Try, in another terminal:\n"
        f"  {command} purposes load examples/catalogue/purposes.json\n"
        f"  {command} record email:someone@example.org marketing.email --deny --jurisdiction DE\n"
        f"  {command} check email:someone@example.org marketing.email --jurisdiction DE\n"
        "Ctrl-C stops it.",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
