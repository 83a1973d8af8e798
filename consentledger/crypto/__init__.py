"""Keys, sealing and blind indexes. No database, no network, no clock.

In dependency order:

- `provider`: what a key provider is: it wraps person keys under an epoch key and derives keys from a root secret.
- `keyring`: the provider of the embedded default, a file.
- `envelope`: sealing an event's personal payload under a person's data key, with a commitment that outlives it.
- `blind`: the keyed index that finds a person by identifier, and the MAC that compares requests.
"""
