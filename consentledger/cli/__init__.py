"""The `consentledger` command: a caller of the services like any other, over gRPC.

In dependency order:

- `jsonld`, `imports`, `import_records` turn another system's acts into rows; pure.
- `failures` says what may be printed about an error, and the exit codes; `output` prints answers.
- `inputs` reads arguments; `options` gives every command `--server`, `--tenant`, `--json` and `--verbose`.
- `session` is one command's connection: calls, tries, pages; `streams` resumes a stream by position.
- `describe` says in words what an event is; `catalogue` reads catalogue files.
- `acts`, `standing`, `questions`, `timeline`, `preferences`: what people say, recorded and asked for.
- `erasing`: a person erased, and the holds that forbid it.
- `rows`, `importing`: what they said to another system.
- `subjects`: a person's own copy of everything held about them.
- `tenants`, `purposes` with its `purposefields`, `notices`, `downstreams`, `obligations`, `audit`: one group each.
- `tilefolder` writes a log as static files; `tiles` adds to `audit` what others hold against the log; `witness` makes
  and runs a witness.
- `exportform` is the form of an export, `erasures` sees who is erased meanwhile, `exporting` makes one.
- `files` writes files whole, `progress` is the bar of what takes long.
- `receiptsource` asks for what a receipt is made from, `receiptfile` reads one, `receipts`.
- `main` puts them together.

Not here: any rule of the domain. The services decide; the command shows what they answered.
"""
