"""Durable stores: the log, what is projected from it, and the person keys. The one place that knows a database.

In dependency order:

- `ledger`: the contract that every log store keeps, and its errors. No SQL.
- `dialects`: all that SQLite and PostgreSQL say differently.
- `schema`: the tables of a log and of a key store, as versioned migrations, and which of them are missing.
- `database`: what a log and a key store need from a database: a transaction, a linearizable read, a bulk read.
- `sqlite_file`; `postgres_server`, `postgres_migrate`: the two databases.
- `sqlite`, `postgres`: the log on each.
- `epochs`: which epoch each person key is wrapped under, and wrapping them anew; `erased`: destroying keys, and what
  stays of it; `keystore`: those keys and the identifier index, a database of its own.
- `binding`: a log, its key store and its keyring belong together.
- `mark`: how far a log is known to have been published; `follower`: waking those who follow it; `token`: positions
  as callers hold them; `moment`: when and where a command is decided.
- `commands`, `aggregates`, `committer`: many concurrent commands, the aggregates they decide against, one transaction.
- `anchored`: what witnesses and others have attested about the log's checkpoints.
- `newepoch`: a log that goes on under a new name; `resync`: events that a restored log lacks, put back.
- `open`: from a URL to an open store, and the migration command.
- `reader`: a database looked at from outside, read only, for commands; `attest`: what such a reader sees, signed;
  `fsck`: whether a log is what it says; `sqlite_copy`, `postgres_dump`: a database as files, and back.
"""
