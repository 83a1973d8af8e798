"""The three services, and the process that runs them.

- `consent`, `notifier`, `rights`   one folder a service; they meet through generated stubs and NATS only
- `embedded`     opens what a process needs and runs one, two or all of them
- `operations`   the commands `migrate`, `rebuild` and `bus`
"""
