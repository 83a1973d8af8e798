"""`log new-epoch`: the whole of it, over log, notifier and streams. Stopped anywhere, it is done again.

What follows the consent log is put back first: the stream, which still carries the lost events, and the notifier's
position in the log, which may lie among them. Neither harms a log that then does not change after all.
"""

from consentledger.settings import ServiceSettings
from consentledger.store.newepoch import Begun, begin_epoch, require_behind
from services.embedded import clock
from services.notifier.projection import carry
from services.recovery import alone
from services.recovery.carriers import carriers


async def new_epoch(settings: ServiceSettings, service: str, reason: str) -> Begun:
    """Continue the log under a new name. Raises NotBehind, NotAsSigned, StoreUnavailable, BusError."""
    await alone.require_stopped(settings)
    async with carriers(settings) as streams, alone.log(settings, service) as log:
        await require_behind(log.store, log.provider, log.guard)
        await streams.renew_log(service, log.store)
        if service == "notifier":
            await streams.renew_enforce(log.store)
        elif service == "consent":
            async with alone.log(settings, "notifier") as notifier:
                await carry.lower_intake(notifier.store, (await log.store.head()).position)
        return await begin_epoch(log.store, service, log.provider, log.guard, reason, clock)
