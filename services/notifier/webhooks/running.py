"""Webhooks put together: every dependency is an argument, everything is started and stopped here."""

import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from consentledger.bus.connection import Bus
from consentledger.journal import Journal
from consentledger.store.committer import Committer
from consentledger.store.ledger import Store
from consentledger.webhook import addresses
from consentledger.webhook.addresses import Network
from consentledger.webhook.dialing import trust
from consentledger.webhook.lookups import Lookup, Lookups
from consentledger.webhook.sender import Sender
from services.notifier.memory import Aggregates
from services.notifier.webhooks.courier import Courier
from services.notifier.webhooks.couriers import Couriers
from services.notifier.webhooks.delivery import Deliveries
from services.notifier.webhooks.keys import WebhookKeys
from services.notifier.webhooks.retries import Retries


class WebhooksUnusable(Exception):
    """A setting that cannot be used."""


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """What can be set. Times are in seconds."""

    networks: tuple[Network, ...] = ()
    """Networks that are not public and may be called all the same."""
    plain_hosts: frozenset[str] = frozenset()
    """Hosts that may be called by http."""
    ca_file: str = ""
    """A PEM file of authorities to trust beside the system's."""
    connect_seconds: float = 5.0
    """For each of looking up, connecting and TLS."""
    total_seconds: float = 20.0
    """For all of an attempt."""
    at_once: int = 8
    """How many attempts a downstream may have under way, on each replica."""


def configured(networks: str, plain_hosts: str, ca_file: str) -> WebhookConfig:
    """From settings, which are lists with commas. Raises WebhooksUnusable."""
    try:
        allowed = addresses.networks(filter(None, (text.strip() for text in networks.split(","))))
    except ValueError:
        raise WebhooksUnusable("networks of webhooks are written 10.1.0.0/16, separated by commas") from None
    hosts = frozenset(filter(None, (host.strip().lower() for host in plain_hosts.split(","))))
    return WebhookConfig(allowed, hosts, ca_file)


class Webhooks:
    """The running parts. `every` is how often what others changed is looked at; `sent_again` wakes the publisher."""

    def __init__(
        self,
        config: WebhookConfig,
        bus: Bus,
        store: Store,
        memory: Aggregates,
        committer: Committer,
        keys: WebhookKeys,
        clock: Callable[[], int],
        lookup: Lookup | None,
        *,
        every: float,
        sent_again: Callable[[], None],
        journal: Journal,
    ) -> None:
        self._lookups = Lookups()
        sender = Sender(
            lookup or self._lookups,
            _trust(config.ca_file),
            allowed=config.networks,
            plain_hosts=config.plain_hosts,
            connect_seconds=config.connect_seconds,
            total_seconds=config.total_seconds,
        )
        self._retries = Retries(store, clock, every=every, sent_again=sent_again, journal=journal)
        jitter = secrets.SystemRandom().random
        waiting = self._retries.wake
        deliveries = Deliveries(store, memory, committer, sender, keys, clock, jitter, waiting, journal)

        def courier(tenant: str, downstream: str) -> Courier:
            return Courier(bus, store, deliveries, tenant, downstream, at_once=config.at_once, journal=journal)

        self._couriers = Couriers(store, courier, every=every, journal=journal)

    @property
    def alarm(self) -> str:
        """See `Couriers`."""
        return self._couriers.alarm

    def wake(self) -> None:
        """A downstream has changed."""
        self._couriers.wake()

    async def start(self) -> None:
        """Begin, in the background."""
        await self._retries.start()
        await self._couriers.start()

    async def stop(self) -> None:
        """End at once; what is under way comes again."""
        await self._couriers.stop()
        await self._retries.stop()
        self._lookups.close()


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return trust(ca_file)
    except (OSError, ssl.SSLError):
        raise WebhooksUnusable("the certificates for webhooks cannot be read") from None
