"""The rules of consent. Pure: no I/O, no clock, no randomness, no protobuf, no gRPC; time, ids and positions come in.

In dependency order:

- `acts`       one act and how two acts about the same purpose combine, whatever order they arrive in
- `catalogue`  the aggregate of one tenant: the tenant itself, its purposes and notices
- `state`      what stands for one person, folded from their acts
- `decision`   may this purpose use this person's data, at this moment, under these regimes
- `person`     the aggregate of one person and its events
- `group`      a person with those linked, the catalogue and the regimes; which purposes an act revokes
- `consent`    the commands about consent: record, withdraw, object, signal, restrict, expire
- `links`      the commands that join and part persons
- `erasure`    the commands that end a person, and the legal holds that forbid it; their events
- `refusals`   what was refused and outlives the person who refused it
- `access`     reads of a person's data by people, recorded
- `preferences` the command about how a person wants to be reached
"""
