"""A consent service with what it stands on, embedded or on servers, of which any part is killed and comes back."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from consentledger.bus.connection import Bus, connect
from consentledger.settings import ServiceSettings
from tests.support import postgres as launcher
from tests.support.cluster import Service, service
from tests.support.consent import migrated
from tests.support.nats import NatsServer, eventually, nats_server


class Deployment(Protocol):
    """A service, and what it stands on."""

    @property
    def service(self) -> Service:
        """The service's process."""

    @property
    def victims(self) -> Sequence[str]:
        """What `crash` takes."""

    @property
    def store_url(self) -> str:
        """Where the log is."""

    @property
    def settings(self) -> ServiceSettings:
        """For an operator's commands."""

    async def crash(self, victim: str) -> None:
        """SIGKILL, and back again."""

    async def bus(self) -> Bus:
        """A connection to its NATS."""


@dataclass(frozen=True)
class Embedded:
    """SQLite and a nats-server that is the service's own child."""

    service: Service
    folder: Path
    victims: Sequence[str] = ("service", "nats")

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder / 'consent.db'}"

    @property
    def settings(self) -> ServiceSettings:
        return ServiceSettings(data=str(self.folder))

    async def crash(self, victim: str) -> None:
        if victim == "service":
            await self.service.kill()
            await self.service.start()
            return
        before = self._nats()
        os.kill(before, signal.SIGKILL)
        await eventually(lambda: self._nats() not in (0, before), 30)

    def _nats(self) -> int:
        with contextlib.suppress(OSError, ValueError):  # half written
            return int((self.folder / "nats" / "nats.pid").read_text())
        return 0

    async def bus(self) -> Bus:
        login = json.loads((self.folder / "nats.json").read_text())
        return await connect(login["url"], "test", user=login["user"], password=login["password"])


@dataclass(frozen=True)
class OnServers:
    """PostgreSQL and a nats-server beside the service."""

    service: Service
    postgres: launcher.Postgres
    nats: NatsServer
    settings: ServiceSettings
    victims: Sequence[str] = ("service", "nats", "postgresql", "all at once")

    @property
    def store_url(self) -> str:
        return self.settings.store

    async def crash(self, victim: str) -> None:
        everything = victim == "all at once"
        if everything or victim == "postgresql":
            await asyncio.to_thread(self.postgres.kill)
        if everything or victim == "nats":
            await self.nats.kill()
        if everything or victim == "service":
            await self.service.kill()
        if everything or victim == "postgresql":
            await asyncio.to_thread(self.postgres.start)
        if everything or victim == "nats":
            await self.nats.start()
        if everything or victim == "service":
            await self.service.start()

    async def bus(self) -> Bus:
        return await self.nats.bus()


@contextlib.asynccontextmanager
async def embedded(folder: Path, flaw: str = "") -> AsyncIterator[Deployment]:
    """In one folder."""
    async with service(folder, flaw=flaw) as running:
        yield Embedded(running, folder / "data")


@contextlib.asynccontextmanager
async def on_servers(folder: Path, flaw: str = "") -> AsyncIterator[Deployment]:
    """Log and key store in two databases of one server of our own."""
    with launcher.server(own=True) as server:
        assert isinstance(server, launcher.Postgres)
        store, keys = server.database(), server.database()
        await migrated(store, keys)
        async with nats_server(kills=True) as nats:
            login = nats.credentials
            url = nats.url.replace("nats://", f"nats://{login['user']}:{login['password']}@")
            async with service(folder, store=store, keys=keys, nats=url, flaw=flaw) as running:
                settings = ServiceSettings(
                    store=store, keys=keys, keyring=str(folder / "keyring.json"), guard=f"file://{folder / 'guard'}"
                )
                yield OnServers(running, server, nats, settings)
