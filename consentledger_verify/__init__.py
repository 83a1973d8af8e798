"""The offline verifier: reads an export of a log and says what holds. No network, no server, no database.

It stands on `consentledger.tlog` and on nothing else of ours, not even on the generated protobuf code: what it knows of
the formats is written here a second time, from docs/export-format.md and the protos.

In dependency order: problems (the classes that a report names), canonical (JSON), lines (the file), wire (protobuf),
entry (a leaf), streams, seals, rules (every leaf), tree, trust (keys, policies), anchors (pins and receipts), overview
(what was asked and found), verify (all of it over one file), single (one receipt, one consistency proof), report,
inputs (what arguments name), command.
"""
