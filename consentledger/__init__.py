"""The library of Consent Ledger: what its services share, and what callers and downstreams use.

It never imports `services`. In dependency order:

- `errors`    the reasons a request can be refused for; pure
- `settings`  the one module that reads the environment
- `journal`   what the services say about themselves, from a fixed list of fields
- `v1`        the contract, generated from `protos/`; not checked in
- `regimes`   what each law asks for, as versioned data; pure
- `signals`   codecs of universal opt-out signals; pure
- `crypto`    keys, seals and commitments
- `store`     the one place that knows databases: SQLite and PostgreSQL
- `bus`       events to and from NATS
- `webhook`   signed requests to somebody else's server, sent safely and again
- `rpc`       the gRPC server: guard, errors, health
- `client`    for callers and downstreams
- `cli`       the `consentledger` command
"""
