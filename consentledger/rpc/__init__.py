"""gRPC, seen from our side: the one place besides the servicers that imports it.

- `address` says which addresses may be plaintext: this machine's own.
- `call` is what a handler knows about its call: the caller, the deadline, the trace.
- `errors` turns a `LedgerError` into a status and back; `refusal` turns any other exception into a `LedgerError`.
- `method` is one rpc's messages and limits; `metrics` counts what became of its calls; `tracing` joins their traces.
- `guard` is the one wrapper around every handler; `register` puts a servicer behind it.
- `health`, `server` and `probe` serve, drain and ask; `channel` is the client's side.

Not here: what a method does. That is in each service's `servicer`.
"""
