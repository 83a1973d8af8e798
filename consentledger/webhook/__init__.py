"""Webhooks by Standard Webhooks 1.0: signed, sent to nobody inside our network, and tried again by a schedule.

In dependency order; none knows what is sent:

- `signing`    keys as text, signatures, and how a receiver verifies them; pure
- `schedule`   when to try again, and when to end; pure
- `target`     which URLs may be sent to, as they are written; pure
- `addresses`  which addresses may be dialled; pure
- `lookups`    from a host's name to addresses, anew at each attempt
- `dialing`    a connection to an address that was checked, verified for the host's name
- `answer`     what came back, within bounds
- `sender`     one attempt, of all of these

Not here: what an obligation is, where attempts are kept, who tries again (`services/notifier/webhooks`).
"""
