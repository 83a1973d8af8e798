"""Things to run and to copy from.

- `catalogue`    purposes, notices and downstreams of a retailer with a clinic
- `import`       records of another system, made up, and what becomes of them
- `downstream`   a system that enforces revocations
- `system`       starting and killing the services and downstreams, for the demonstration
- `demo`         the main job, played end to end
"""
