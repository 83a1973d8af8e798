"""The `consentledger` command: a caller of the services like any other, over gRPC.

In dependency order:

- `jsonld`, `imports`, `import_records` turn another system's acts into rows; pure.
- `failures` says what may be printed about an error, and the exit codes; `output` prints answers.
- `inputs` reads arguments; `options` gives every command `--server`, `--tenant`, `--json` and `--verbose`.
- `session` is one command's connection: calls, tries, pages; `streams` resumes a stream by position.
- `describe` says in words what an event is; `catalogue` reads catalogue files.
- `acts`, `standing`, `questions`, `timeline`, `preferences`: what people say, recorded and asked for.
- `rows`, `importing`: what they said to another system.
- `tenants`, `purposes` with its `purposefields`, `notices`, `downstreams`, `obligations`, `audit`: one group each.
- `main` puts them together.

Not here: any rule of the domain. The services decide; the command shows what they answered.
"""
