"""One service alone, as in production: its own port, PostgreSQL and NATS shared with the others."""

import asyncio
from pathlib import Path

from consentledger.rpc.health import LIVENESS, READINESS
from tests.support.nats import nats_server
from tests.support.postgres import External
from tests.support.services import ServiceProcess, health, reflected, refused, services
from tests.support.split import databases

ANYWHERE = ("--listen", "127.0.0.1:0")
OWN = {
    "consent": ["AuditService", "ConsentService", "PurposeService", "TenantService"],
    "notifier": ["AuditService", "NotifierService"],
    "rights": ["AuditService"],
}
"""The services of the contract that each process answers for."""


async def test_each_service_alone_is_healthy_and_says_what_it_offers(tmp_path: Path, postgres: External) -> None:
    async with nats_server() as server, databases(postgres, server, tmp_path) as settings:
        async with services("consent", *ANYWHERE, **settings) as consent:
            others = {**settings, "CONSENTLEDGER_CONSENT": consent.address}
            async with (
                services("notifier", *ANYWHERE, **others) as notifier,
                services("rights", *ANYWHERE, **others) as rights,
            ):
                processes = {"consent": consent, "notifier": notifier, "rights": rights}
                for name, process in processes.items():
                    own = [f"consentledger.v1.{service}" for service in OWN[name]]
                    offered = await reflected(process.address)
                    assert [s for s in offered if s.startswith("consentledger.")] == own
                    assert "grpc.health.v1.Health" in offered
                    for asked in ("", READINESS, LIVENESS, *own):
                        assert await health(process.address, asked) == "SERVING", (name, asked)
                assert len({process.address for process in processes.values()}) == len(processes)
                for process in processes.values():
                    process.terminate()
                    assert await process.ended() == 0
        assert not (Path(settings["CONSENTLEDGER_DATA"]) / "nats").exists()


async def test_a_database_that_was_not_migrated_is_refused_with_the_remedy(
    tmp_path: Path, postgres: External, postgres_url: str
) -> None:
    async with nats_server() as server, databases(postgres, server, tmp_path) as settings:
        new_store, new_keys = (
            settings | {"CONSENTLEDGER_STORE": postgres_url},
            settings | {"CONSENTLEDGER_KEYS": postgres_url},
        )
        refusals = await asyncio.gather(
            *(refused(name, *ANYWHERE, **new_store) for name in OWN), refused("consent", *ANYWHERE, **new_keys)
        )
        for code, said in refusals:
            assert code == 1
            assert said.splitlines()[-1].startswith("cannot start: ")
            assert said.splitlines()[-1].endswith("run the migration command")
            assert "Traceback" not in said


async def test_each_service_is_up_and_ready_without_nats(tmp_path: Path, postgres: External) -> None:
    """A write is durable in the log; what cannot be carried now is carried later."""
    async with nats_server() as server, databases(postgres, server, tmp_path) as settings:
        settings["CONSENTLEDGER_NATS"] = "nats://127.0.0.1:1"
        processes = [ServiceProcess(name, *ANYWHERE, **settings) for name in OWN]
        try:
            await asyncio.gather(*(process.start() for process in processes))
            for process in processes:
                assert await health(process.address) == "SERVING"
                process.terminate()
            assert await asyncio.gather(*(process.ended() for process in processes)) == [0, 0, 0]
        finally:
            for process in processes:
                process.close()
