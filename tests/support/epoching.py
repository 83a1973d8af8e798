"""A program: `python -m tests.support.epoching FOLDER` continues the log there under a new name, when it is told to."""

import asyncio
import ctypes
import sys
from pathlib import Path

from consentledger.crypto.keyring import FileKeyring
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.newepoch import begin_epoch
from consentledger.store.open import open_store
from tests.support.appending import say
from tests.support.stores import PROJECTION


async def main(folder: Path) -> None:
    """READY, a line, then DONE or FAIL."""
    store = await open_store(f"sqlite:///{folder / 'consent.db'}", "consent", PROJECTION)
    guard, provider = FileGuard(folder / "guard"), FileKeyring.open(folder / "keyring.json")
    say("READY")
    await asyncio.to_thread(sys.stdin.readline)
    try:
        begun = await begin_epoch(store, "consent", provider, guard, "a test", lambda: 1)
        say(f"DONE {begun.origin}")
    except StoreUnavailable as failure:
        say(f"FAIL {type(failure).__name__}")
    await guard.close()
    await store.close()


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # whoever started us may trace us
    asyncio.run(main(Path(sys.argv[1])))
