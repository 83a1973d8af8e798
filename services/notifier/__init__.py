"""The notifier: turns each revocation into one obligation for each downstream concerned, and records what became of it.

In dependency order:

- `domain`       what a downstream and an obligation are, and which steps are allowed; pure
- `wire`         domain values to messages and back; `checks` what a caller may send; `paging` where a list goes on
- `codec`        domain events to leaf headers and back
- `views`        an obligation as callers see it, and as a downstream receives it
- `memory`       the aggregates that commands decide against
- `commands`     what changes the log: register, update, take revocations, mark sent, acknowledge
- `projection`   the tables, written in the events' own transaction; all SQL of this service
- `revocations`  which ledger entries revoke; `replay` reads entries that the stream no longer has
- `identifiers`  by which identifiers a downstream knows a person, asked when sending and kept nowhere
- `intake`       follows the stream LEDGER; `dispatch` makes the messages of ENFORCE; `sent` records that they left
- `purges`       messages about erased persons leave ENFORCE
- `acks`         what downstreams answer on ACKS
- `keeper`       the streams and consumers: making them, and making them again after a loss
- `webhooks`     downstreams that are told by HTTPS
- `tenants`      whether a tenant exists; `application` what callers ask; `servicer` the contract
- `service`      all of it put together

Not here: escalation of late obligations.
"""
