"""For those who obey the ledger: receive obligations, enforce them, say so.

In dependency order:

- `subjects`    where a downstream listens and answers, and what its NATS user must be allowed; pure
- `obligation`  what must be enforced, and what a downstream can say of it; pure
- `gate`        a list of what was revoked, the newest word winning; pure
- `answers`     makes what is said durable, many at once
- `downstream`  receives, hands over in order, answers before it settles

    async def enforce(obligation: Obligation) -> Outcome:
        count = await contacts.remove(obligation.namespace, obligation.ids)
        return enforced("suppressed", count)

    async with Downstream(url, "acme", "mailer", enforce, credentials="mailer.creds"):
        await stopped.wait()
"""
