"""The consent service: records what people choose, and answers what may be done.

In dependency order:

- `domain`      the rules; pure
- `wire`, `checks`, `paging`   messages to values, the form of requests, page tokens
- `encoding`, `decoding`, `memory`   events to leaves and back; the aggregates that commands decide against
- `projection`   what stands now, as tables, written in the events' own transaction
- `directory`, `keeping`   from identifiers to persons and their keys; to what erased persons had refused
- `commands`, `submission`, `application`, `catalogue_application`   the writes
- `catalogues`, `coalescer`, `verdicts`, `checking`, `states`, `past`, `resolving`, `watching`   the reads
- `records`, `accesses`, `history`, `export`, `persons`   reads by people, each recorded before it is answered
- `expiry`      the end of grants as events
- `orphans`     removing persons who never got an event
- `recipients`, `eraser`, `erasures`   an erasure: who was told, the process that ends it, how far it is; legal holds
- `servicer`, `erasure_rpcs`, `catalogue_servicer`   the rpcs
- `service`     the composition root
"""
