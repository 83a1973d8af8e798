"""The rights service: requests of data subjects, answered in time.

Today it is a process with a log, a port, health and reflection of its own; the requests themselves come next.

- `service`   the composition root
"""
