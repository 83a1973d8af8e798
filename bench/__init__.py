"""Measurements against floors of this machine, in one run: `python -m bench`, `python -m bench.soak`.

Every figure is a ratio to a floor that is measured beside it, because absolute numbers move with the machine from one
minute to the next. Rounds of floor and ours alternate; a figure is the median of the rounds' ratios.

- `frames`, `load`, `requests`   a client fast enough to be no part of the answer: raw HTTP/2, other people each call
- `batches`, `drain`, `withdrawals`   other clients, on the ordinary gRPC stubs and the client library
- `echo`, `hops`                 the floor of a call: a bare gRPC server; and of a fan-out: two JetStream hops
- `processes`, `deployment`      child processes, their CPU and memory; the real services on either store
- `people`, `bulk`, `transfer`, `prepared`   who is in the ledger: through ImportConsents, or a million at once
- `stand`                        what the measurements of one run share
- `check`, `record`, `batch`, `writes`, `fanout`, `replay`, `growth`   one subject each, floor and ours
- `machine`, `figures`           what the machine can do; medians, targets, the table
- `soak`                         hours under load: memory and open files must not grow

Nothing here is a test: no test asserts a time. Exit status 1 means that something could not be measured.
"""
