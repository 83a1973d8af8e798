"""The rules of enforcement. Pure: no I/O, clock, randomness, protobuf or gRPC; time, ids and positions come in.

In dependency order:

- `downstream`   the aggregate of one tenant's downstreams, and which of them a revocation concerns
- `obligation`   the aggregate of one obligation, and the table of the steps it may take
- `revocation`   one revocation of the ledger, and the obligations that follow from it
"""
