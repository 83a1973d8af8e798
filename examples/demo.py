"""The main job, end to end, on real parts: `make demo`. Exits non-zero when any step is not as it must be.

A catalogue of 20 purposes; ten thousand acts and twenty records of another system, imported; then one person, live:
record, check, withdraw, two downstreams obey and prove it, check, SIGKILL, restart, check again, read the history, hand
it to an auditor, erase the person, verify again, find a forgery. Left behind: build/demo/, and nothing running.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from consentledger.rpc.channel import call, connect
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import audit_service_pb2_grpc as au_grpc
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import consent_service_pb2_grpc as cs_grpc
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as no
from consentledger.v1 import notifier_service_pb2_grpc as no_grpc
from consentledger.v1 import types_pb2 as ty
from examples.closing import FOLDER, Auditor, erase, forge, fsck
from examples.downstream import ContactList
from examples.system import ROOT, DidNotStart, System

T = TypeVar("T")
TENANT = "demo"
DOWNSTREAMS = ("mailer", "analytics")
FORGED = 5_000
"""An imported act."""
CATALOGUE = ROOT / "examples" / "catalogue"
EMAIL = ty.SubjectRef(namespace="email", id="robin.demo@example.org")
CRM = ty.SubjectRef(namespace="crm", id="customer-4711")
PURPOSES = ("marketing.email", "analytics.web")
NOTICES = {"marketing.email": "marketing-2026-02-de", "analytics.web": "website-2025-09"}
CONTEXT = ty.Context(method="checkbox", collector="web-shop", jurisdiction="DE", language="de", ip="203.0.113.7")
console = Console()


class NotSo(Exception):
    """A step was not as it must be."""


def must(holds: bool, what: str) -> None:
    """Say what holds, or fail."""
    if not holds:
        raise NotSo(what)
    console.print(f"  [green]✓[/green] {what}")


async def timed(work: Awaitable[T]) -> tuple[T, float]:
    """(result, milliseconds)."""
    start = time.perf_counter()
    result = await work
    return result, (time.perf_counter() - start) * 1000


class Caller:
    """Stubs for one server."""

    def __init__(self, address: str) -> None:
        self.channel = connect(address)
        self.consent: Any = cs_grpc.ConsentServiceStub(self.channel)
        self.audit: Any = au_grpc.AuditServiceStub(self.channel)
        self.notifier: Any = no_grpc.NotifierServiceStub(self.channel)

    async def check(self, purpose: str) -> cs.CheckConsentResponse:
        """May this person's data be used?"""
        question = cs.CheckConsentRequest(tenant=TENANT, subject=EMAIL, purpose=purpose, jurisdiction="DE")
        answer: cs.CheckConsentResponse = await call(self.consent.CheckConsent, question, 10)
        return answer

    async def obligations(self, position: int) -> list[no.Obligation]:
        """Who must enforce the revocation at a position."""
        listing = no.ListObligationsRequest(tenant=TENANT, ledger_position=position)
        return list((await call(self.notifier.ListObligations, listing, 10)).obligations)

    async def enforced(self, position: int, count: int) -> list[no.Obligation]:
        """The obligations, once all are enforced."""
        for _ in range(600):
            found = await self.obligations(position)
            if len(found) == count and all(o.state == ev.OBLIGATION_STATE_ENFORCED for o in found):
                return found
            await asyncio.sleep(0.02)
        raise NotSo(f"{count} downstreams enforced within 12 seconds")


def request_id() -> str:
    """A new one."""
    return str(uuid.uuid4())


def command(system: System, *arguments: str) -> None:
    """Run the `consentledger` command as a person would."""
    program = [str(Path(sys.executable).parent / "consentledger"), "--server", system.address, "--tenant", TENANT]
    if subprocess.run([*program, *arguments], cwd=ROOT, check=False).returncode:
        raise NotSo(f"consentledger {arguments[0]} succeeded")


async def set_up(system: System) -> None:
    """The tenant, the catalogue, the downstreams, and what another system had."""
    console.rule("A company moves in")
    tenant = json.loads((CATALOGUE / "tenant.json").read_text())
    place = tenant["defaultJurisdiction"]
    command(
        system, "tenants", "create", TENANT, "--display-name", tenant["displayName"], "--default-jurisdiction", place
    )
    command(system, "purposes", "load", str(CATALOGUE / "purposes.json"))
    command(system, "notices", "load", str(CATALOGUE / "notices.json"))
    command(system, "downstreams", "load", str(CATALOGUE / "downstreams.json"))
    made = system.folder / "import"
    generate = [sys.executable, "examples/import/make_acts.py", str(made)]
    await asyncio.to_thread(subprocess.run, generate, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    start = time.perf_counter()
    command(system, "import", str(made / "acts.csv"))
    command(system, "import", str(made / "records.json"), "--format", "27560")
    console.print(f"  imported in {time.perf_counter() - start:.1f} s, with the original times")


async def caught_up(caller: Caller) -> None:
    """Wait until the downstreams have enforced what came with the import."""
    start = time.perf_counter()
    for state in (ev.OBLIGATION_STATE_PENDING, ev.OBLIGATION_STATE_SENT):
        listing = no.ListObligationsRequest(tenant=TENANT, state=state, page_size=1)
        while (await call(caller.notifier.ListObligations, listing, 10)).obligations:
            if time.perf_counter() - start > 120:
                raise NotSo("the downstreams caught up within two minutes")
            await asyncio.sleep(0.1)
    listing = no.ListObligationsRequest(tenant=TENANT, page_size=1000)
    count = 0
    while True:
        page = await call(caller.notifier.ListObligations, listing, 10)
        count += len(page.obligations)
        if not page.next_page_token:
            break
        listing.page_token = page.next_page_token
    took = time.perf_counter() - start
    console.print(f"  two downstreams, started late, enforced {count:,} earlier revocations in {took:.1f} s")


async def live(system: System, caller: Caller) -> int:
    """One person; returns the position of the withdrawal."""
    console.rule("One person, live")
    table = Table("step", "answer", "ms", box=None)
    for purpose in PURPOSES:
        record = cs.RecordConsentRequest(
            request_id=request_id(),
            tenant=TENANT,
            subject=EMAIL,
            choices=[cs.ConsentChoice(purpose=purpose, choice=ty.CHOICE_GRANT)],
            notice_version=NOTICES[purpose],
            context=CONTEXT,
        )
        recorded, ms = await timed(call(caller.consent.RecordConsent, record, 10))
        state = recorded.states[0]
        table.add_row(f"record {purpose}", f"{ty.ConsentState.Name(state.state)[14:]} at {state.position}", f"{ms:.1f}")
        downstream, subject = ("mailer", EMAIL) if purpose == PURPOSES[0] else ("analytics", CRM)
        ContactList(system.list_of(downstream)).add(subject.namespace, subject.id, purpose, state.position)
    link = cs.LinkIdentifiersRequest(request_id=request_id(), tenant=TENANT, left=EMAIL, right=CRM)
    _, ms = await timed(call(caller.consent.LinkIdentifiers, link, 10))
    table.add_row("link e-mail and customer number", "one person", f"{ms:.1f}")
    before, ms = await timed(caller.check(PURPOSES[0]))
    table.add_row(f"check {PURPOSES[0]}", ty.Decision.Name(before.decision)[9:], f"{ms:.1f}")
    withdraw = cs.WithdrawConsentRequest(request_id=request_id(), tenant=TENANT, subject=EMAIL, context=CONTEXT)
    sent = time.time()
    withdrawn, ms = await timed(call(caller.consent.WithdrawConsent, withdraw, 10))
    position = next(s.position for s in withdrawn.states if s.purpose == PURPOSES[0])
    table.add_row("withdraw everything", f"WITHDRAWN at {position}", f"{ms:.1f}")
    after, ms = await timed(caller.check(PURPOSES[0]))
    table.add_row(f"check {PURPOSES[0]}", ty.Decision.Name(after.decision)[9:], f"{ms:.1f}")
    found = await caller.enforced(position, 2)
    for o in found:
        journal = [json.loads(line) for line in system.journal_of(o.downstream).read_text().splitlines()]
        got = next(line for line in journal if line["obligation"] == o.id)
        reached, obeyed = got["received_at"] / 1e6 - sent, got["enforced_at"] / 1e6 - sent
        proof = f"received after {reached * 1000:.1f} ms, {o.evidence.method}, {o.evidence.records_affected} record"
        table.add_row(f"  {o.downstream} enforced", proof, f"{obeyed * 1000:.1f}")
    console.print(table)
    must(before.decision == ty.DECISION_ALLOWED, "before: ALLOWED")
    must(after.decision == ty.DECISION_NOT_ALLOWED, "after the withdrawal: NOT_ALLOWED")
    must(all(o.evidence.records_affected == 1 for o in found), "both downstreams struck the person, with evidence")
    must(
        not ContactList(system.list_of("mailer")).may_contact(EMAIL.namespace, EMAIL.id, PURPOSES[0]),
        "nobody can mail them",
    )
    return position


async def history(caller: Caller) -> None:
    """What a person who asks is shown."""
    console.rule("The history")
    asked = au.GetSubjectHistoryRequest(tenant=TENANT, subject=EMAIL)
    lines = (await call(caller.audit.GetSubjectHistory, asked, 10)).events
    table = Table("position", "when (UTC)", "what", "under notice", "by", box=None)
    for e in lines:
        body = e.entry.header.consent_recorded
        act = getattr(e.entry.header, e.entry.header.WhichOneof("kind") or "", None)
        by = getattr(getattr(act, "act", None), "collector", "")
        when = e.recorded_at.ToDatetime().isoformat(" ", "milliseconds")
        what = f"{e.type} {body.purpose}".strip()
        table.add_row(str(e.position), when, what, body.notice_version, by)
    console.print(table)
    must(lines[-1].type == "consent.withdrawn.v1", "the newest line is the withdrawal")
    count = 0
    async for chunk in caller.audit.ReplayEvents(au.ReplayEventsRequest(tenant=TENANT)):
        count += len(chunk.leaves)
    must(count > 10_000, f"an auditor replays {count:,} events")


async def closing(system: System, caller: Caller, position: int) -> None:
    """What can be shown to somebody who trusts nobody here."""
    console.rule("Nobody has to take our word")
    auditor = Auditor(system, TENANT)
    auditor.take(position)
    console.print(f"  build/demo/: {', '.join(sorted(p.name for p in FOLDER.iterdir()))}")
    found = auditor.verify(FOLDER / "export.jsonl")
    must(found["code"] == 0, "offline, without a server: the export and the person's receipt hold")
    erasure, ms = await timed(erase(caller.consent, TENANT, EMAIL))
    must(
        erasure.state == cs.ERASURE_STATE_ERASED, f"erased after {ms:.0f} ms: both downstreams told, the keys destroyed"
    )
    told = [f"{r.downstream} {ev.ObligationState.Name(r.state)[17:]}" for r in erasure.recipients]
    keys = [a.key_destroyed.key_id.hex()[:16] for a in erasure.attestations]
    console.print(f"  attested at {', '.join(str(a.position) for a in erasure.attestations)}: {', '.join(told)}")
    console.print(f"  keys {', '.join(keys)}… are gone")
    later = system.folder / "later.jsonl"
    auditor.export(later)
    found = auditor.verify(later, "--pin", str(FOLDER / "tlog" / "checkpoint"))
    must(found["code"] == 0, "the history still holds, against the checkpoint and the receipt from before")
    gone = await caller.check(PURPOSES[0])
    must(gone.decision == ty.DECISION_NOT_ALLOWED, "and who was forgotten is not ALLOWED")
    system.stop()
    code, _ = fsck(system.folder / "data")
    must(code == 0, "fsck: rows, tree, guard, keys and tables agree")
    forge(system.folder / "data" / "consent.db", FORGED)
    code, said = fsck(system.folder / "data")
    must(code == 1 and f" {FORGED} " in said, f"the database's owner changes one byte: found, at position {FORGED}")
    forge(system.folder / "data" / "consent.db", position)
    try:
        system.start_services()
        raise NotSo("a service starts on what was forged")
    except DidNotStart as refusal:
        must("the log's rows are not what its head says" in str(refusal), "no service starts on a forged withdrawal")


async def play(system: System) -> None:
    """Everything."""
    _, ms = await timed(asyncio.to_thread(system.start_services))
    console.print(f"Three services and a nats-server are up ({ms:.0f} ms), SQLite under {system.folder.name}/")
    await set_up(system)
    await asyncio.to_thread(system.start_downstreams, TENANT, DOWNSTREAMS)
    caller = Caller(system.address)
    await caught_up(caller)
    position = await live(system, caller)
    console.rule("SIGKILL")
    await caller.channel.close()
    system.kill_services()
    _, ms = await timed(asyncio.to_thread(system.start_services))
    console.print(f"  killed, and up again after {ms:.0f} ms")
    await asyncio.to_thread(system.start_downstreams, TENANT, DOWNSTREAMS)
    caller = Caller(system.address)
    again = await caller.check(PURPOSES[0])
    must(again.decision == ty.DECISION_NOT_ALLOWED, "still NOT_ALLOWED")
    must(again.position == position, "with the same evidence")
    must(len(await caller.enforced(position, 2)) == 2, "both obligations are still ENFORCED")
    await history(caller)
    await closing(system, caller, position)
    await caller.channel.close()


def main(done: Callable[[int], None] = sys.exit) -> None:
    """Play it in a folder of its own, and leave nothing behind."""
    system = System(Path(tempfile.mkdtemp(prefix="consent-ledger-demo-")))
    start = time.perf_counter()
    try:
        asyncio.run(play(system))
    except NotSo as wrong:
        console.print(f"  [red]✗ not so: {wrong}[/red]")
        done(1)
    finally:
        system.stop()
        shutil.rmtree(system.folder, ignore_errors=True)
    console.rule(f"done in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
