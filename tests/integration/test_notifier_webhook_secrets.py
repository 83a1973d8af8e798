"""The secrets of webhooks: told once, replaced with an overlap, kept nowhere, the same after a restart."""

from pathlib import Path

import pytest
from standardwebhooks import Webhook

from consentledger.errors import LedgerError, Reason
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from tests.support.consent import request_id
from tests.support.notifier import ADA, CALL
from tests.support.webhooks import Hooked, hooked


async def test_a_secret_is_told_to_who_registers_and_to_a_repeat_and_nowhere_else(
    tmp_path: Path, store_url: str
) -> None:
    async with hooked(tmp_path, store_url) as h:
        downstream = ev.Downstream(id="shop", kind=1, purposes=["*"], identifier_namespace="email")
        downstream.webhook.url = "https://hooks.example.org/"
        request = ns.RegisterDownstreamRequest(request_id=request_id(), tenant="acme", downstream=downstream)
        made = await h.world.rpc.RegisterDownstream(request, CALL)
        assert made.webhook_secret.secret.startswith("whsec_")
        assert made.webhook_secret.public_key.startswith("whpk_")
        assert await h.world.rpc.RegisterDownstream(request, CALL) == made
        rotation = ns.RotateSecretRequest(request_id=request_id(), tenant="acme", downstream="shop")
        rotated = await h.world.rpc.RotateSecret(rotation, CALL)
        assert await h.world.rpc.RotateSecret(rotation, CALL) == rotated
        assert rotated.webhook_secret != made.webhook_secret
        update = ns.UpdateDownstreamRequest(
            request_id=request_id(), tenant="acme", downstream=await h.standing_as("shop")
        )
        assert not (await h.world.rpc.UpdateDownstream(update, CALL)).HasField("webhook_secret")
        update.request_id, update.downstream.webhook.url = request_id(), "https://other.example.org/"
        changed = await h.world.rpc.UpdateDownstream(update, CALL)
        assert not changed.HasField("webhook_secret")
        assert changed.downstream.webhook.secret_version == rotated.downstream.webhook.secret_version
        await h.restart()
        assert await h.world.rpc.RegisterDownstream(request, CALL) == made
        stored = await _everything(h)
        for secret in (made.webhook_secret.secret, rotated.webhook_secret.secret):
            for form in (secret, secret.removeprefix("whsec_"), _raw(secret).hex()):
                assert form.encode() not in stored
            assert _raw(secret) not in stored


async def test_secrets_differ_between_tenants_downstreams_and_versions(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        found = set()
        for tenant in ("acme", "other"):
            for id in ("shop", "mailer"):
                downstream = ev.Downstream(id=id, kind=1, purposes=["*"], identifier_namespace="email")
                downstream.webhook.url = "https://hooks.example.org/"
                request = ns.RegisterDownstreamRequest(request_id=request_id(), tenant=tenant, downstream=downstream)
                found.add((await h.world.rpc.RegisterDownstream(request, CALL)).webhook_secret.SerializeToString())
                rotation = ns.RotateSecretRequest(request_id=request_id(), tenant=tenant, downstream=id)
                found.add((await h.world.rpc.RotateSecret(rotation, CALL)).webhook_secret.SerializeToString())
        assert len(found) == 8


async def test_during_the_overlap_a_message_is_believed_by_either_secret_and_afterwards_by_the_new_one(
    tmp_path: Path,
) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop")
        old = h.secrets["shop"]
        made = await h.rotate("shop", overlap_seconds=60)
        new = made.webhook_secret
        assert (made.downstream.webhook.secret_version, made.downstream.webhook.previous_secret_version) == (2, 1)
        h.world.consent.withdraw(ADA, ["a"])
        await h.world.standing(RECEIVED=1)
        assert h.believed(old, hook.got[0]) == h.believed(new, hook.got[0]) == (True, True)
        for secret in (old, new):
            Webhook(secret.secret).verify(hook.got[0].body, dict(hook.got[0].headers))
        h.clock.advance(61)
        h.world.consent.withdraw(ADA, ["b"])
        await h.world.standing(RECEIVED=2)
        assert h.believed(old, hook.got[1]) == (False, False)
        assert h.believed(new, hook.got[1]) == (True, True)


async def test_without_an_overlap_the_old_secret_ends_at_once_and_a_second_rotation_ends_the_first(
    tmp_path: Path,
) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop")
        secrets = [h.secrets["shop"]]
        for overlap in (0, 60, 60):
            secrets.append((await h.rotate("shop", overlap_seconds=overlap)).webhook_secret)
            h.world.consent.withdraw(ADA, [f"p{len(secrets)}"])
            await h.world.standing(RECEIVED=len(secrets) - 1)
        believed = [[h.believed(secret, got)[0] for secret in secrets] for got in hook.got]
        assert believed == [[False, True, False, False], [False, True, True, False], [False, False, True, True]]


async def test_the_overlap_is_a_day_unless_another_is_asked_for(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        await h.hook("shop")
        made = await h.rotate("shop")
        until = made.downstream.webhook.previous_secret_until.ToMicroseconds()
        assert 0 <= until - h.clock.now_us - 86_400_000_000 < 1_000_000
        for seconds in (604_801, 2**32 - 1):
            with pytest.raises(LedgerError) as refusal:
                await h.rotate("shop", overlap_seconds=seconds)
            assert refusal.value.metadata["field"] == "overlap_seconds"


async def test_only_a_webhook_has_a_secret(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        made = await h.world.register("mailer", ["*"])
        assert not made.HasField("webhook")
        for id, reason in (("mailer", Reason.INVALID_FIELD), ("nobody", Reason.DOWNSTREAM_UNKNOWN)):
            with pytest.raises(LedgerError) as refusal:
                await h.rotate(id)
            assert refusal.value.reason is reason


async def test_what_only_we_set_is_not_taken_from_a_caller(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        downstream = ev.Downstream(id="shop", kind=1, purposes=["*"], identifier_namespace="email")
        downstream.webhook.CopyFrom(ev.Webhook(url="https://hooks.example.org/", disabled=True, secret_version=7))
        downstream.webhook.previous_secret_version = 6
        downstream.webhook.previous_secret_until.FromMicroseconds(1)
        request = ns.RegisterDownstreamRequest(request_id=request_id(), tenant="acme", downstream=downstream)
        made = (await h.world.rpc.RegisterDownstream(request, CALL)).downstream
        assert made.webhook == ev.Webhook(url="https://hooks.example.org/", secret_version=1)
        downstream.version = 0
        update = ns.UpdateDownstreamRequest(request_id=request_id(), tenant="acme", downstream=downstream)
        assert (await h.world.rpc.UpdateDownstream(update, CALL)).downstream == made


def _raw(secret: str) -> bytes:
    import base64

    return base64.b64decode(secret.removeprefix("whsec_"))


async def _everything(h: Hooked) -> bytes:
    """All that the store holds, as bytes."""
    dialect = h.world.store.dialect
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if dialect == "sqlite"
        else "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    found = b""
    for (table,) in await h.world.store.read(names):
        for row in await h.world.store.read(f'SELECT * FROM "{table}"'):
            found += b"".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    assert b"hooks.example.org" in found, "the tables were not read"
    return found
