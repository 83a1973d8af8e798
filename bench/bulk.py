"""Many people at once, without gRPC and NATS: the import's own use case on the store, in a process of its own.

    python -m bench.bulk '{"store": URL, "keys": URL, "keyring": PATH, "first": 0, "people": 100000}'

- The same code writes the same rows as ImportConsents: events, state, keys, index and answers. Nobody else may have
  the store open.
- What was loaded counts as published, so that a service started on it does not carry millions of events first.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.people import notice_requests, purpose_requests, row, tenant_request
from bench.requests import TENANT
from consentledger.bus.connection import Bus, unheard
from consentledger.crypto.keyring import FileKeyring
from consentledger.errors import LedgerError, Reason
from consentledger.store.binding import bind
from consentledger.store.guard_file import FileGuard
from consentledger.store.mark import write_mark
from consentledger.store.open import migrate_keystore, migrate_store, open_keystore, open_store
from consentledger.store.signedlog import DEFAULT_NAME, SignedLog
from services.consent import service as consent
from services.consent.application import SERVICE
from services.consent.catalogue_application import CatalogueApplication
from services.consent.projection.tables import MIGRATIONS

AT_ONCE = 1_000


def _clock() -> int:
    return time.time_ns() // 1000


async def load(job: dict[str, Any]) -> None:
    """Do the job."""
    provider = FileKeyring.open_or_create(Path(job["keyring"]))
    await migrate_store(job["store"], SERVICE, MIGRATIONS)
    await migrate_keystore(job["keys"])
    store = await open_store(job["store"], SERVICE, MIGRATIONS)
    keystore = await open_keystore(job["keys"])
    await bind(store, keystore, provider)
    guard = FileGuard(Path(job["guard"]))
    log = await SignedLog.open(store, SERVICE, provider, guard, DEFAULT_NAME)
    config = consent.ConsentConfig(index_memory=0)
    # A connection that is never made: nothing is carried, because only the committer is started.
    service = await consent.build(config, log, keystore, Bus({}, "_INBOX", unheard), provider, _clock)
    application = service.catalogue_application.application
    service.committer.start()
    try:
        await _catalogue(service.catalogue_application)
        now_s = int(time.time())
        end = job["first"] + job["people"]
        for start in range(job["first"], end, AT_ONCE):
            numbers = range(start, min(end, start + AT_ONCE))
            await asyncio.gather(*(application.import_row(TENANT, row(n, now_s)) for n in numbers))
    finally:
        await service.committer.close()
        await write_mark(store, (await store.head()).position)
        await log.close()
        await guard.close()
        await keystore.close()
        await store.close()


async def _catalogue(catalogue: CatalogueApplication) -> None:
    try:
        await catalogue.create_tenant(tenant_request())
    except LedgerError as error:
        if error.reason is not Reason.TENANT_EXISTS:
            raise
    for purpose in purpose_requests():
        await catalogue.create_purpose(purpose)
    for notice in notice_requests():
        await catalogue.publish_notice(notice)


def main(argument: str) -> None:
    """Do it; print how long it took."""
    began = time.monotonic()
    asyncio.run(load(json.loads(argument)))
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1])
