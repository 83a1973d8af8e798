"""The audit service: what a process's logs hold, replayed, exported and proven. It owns no log of its own.

In dependency order:

- `anchors`: what attests checkpoints; `witness_anchor`, `stamp_anchor`, `copy_anchor`: three kinds of it; `witnessed`:
  what the cosignatures amount to; `anchoring`: the rounds that take checkpoints there.
- `logs`, `replaying`, `exporting`, `proving`, `servicer`. What concerns persons (timelines, accesses) is the consent
  service's and comes in as `persons`.
- `tiles_http`: checkpoint and tiles over plain HTTP.
- `scrub`: a slow walk over the logs, to find what is no longer what was signed.
- `service`: all of it put together.
"""
