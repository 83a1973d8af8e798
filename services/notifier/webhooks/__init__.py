"""Telling downstreams by webhook: each obligation once it is in ENFORCE, until it has arrived or trying has ended.

- `keys`      the secrets of webhooks, derived and kept nowhere
- `payload`   an obligation as JSON; `reply` what a receiver said of it; both pure
- `commands`  what changes the log: a new secret, an obligation that nobody took
- `delivery`  one obligation: whether it is its turn, the attempt, and what is recorded of it
- `courier`   takes one downstream's messages from its consumer and delivers them
- `retries`   sends again what is due
- `couriers`  one courier for each downstream with a webhook
- `running`   all of it put together

How it is signed and sent is `consentledger.webhook`.
"""
