"""The consent service: records what people choose, and answers what may be done.

In dependency order:

- `domain`      the rules; pure
- `wire`, `checks`, `paging`   messages to values, the form of requests, page tokens
- `encoding`, `decoding`, `memory`   events to leaves and back; the aggregates that commands decide against
- `projection`   what stands now, as tables, written in the events' own transaction
- `directory`   from identifiers to persons and their keys
- `commands`, `application`, `catalogue_application`   the writes
- `catalogues`, `coalescer`, `verdicts`, `checking`, `states`, `past`, `resolving`, `history`, `watching`   the reads
- `expiry`      the end of grants as events
- `orphans`     removing persons who never got an event
- `servicer`, `catalogue_servicer`, `audit_servicer`   the rpcs
- `service`     the composition root
"""
