"""A reference witness, to be run by an auditor or a partner: it cosigns a log's checkpoints as long as each extends the
one before (C2SP tlog-witness, tlog-cosignature).

In dependency order: protocol, rules (both pure), keyfile, records, witness, serving.

It needs nothing of the ledger but the verifier key of each log, and shares with it `tlog` and `http` only.
"""
