"""Keys, sealing and blind indexes. No database; the network only behind a sealer.

In dependency order:

- `provider`: what a key provider is: it wraps person keys under an epoch key and derives keys from a root secret.
- `wrapped`: a wrapped key as it is stored, and its epoch.
- `sealer`: what a sealer is: it seals the keyring itself; `passphrase`, `vault`, `kms` are the sealers, `sealing` finds
  the one that a setting names.
- `keyring_file`: a keyring's file, plain or sealed; `keyring`: the provider, over such a file.
- `envelope`: sealing an event's personal payload under a person's data key, with a commitment that outlives it.
- `parcel`: bytes of any length sealed to somebody's public key; `parcelkey`: such keys as files.
- `blind`: the keyed index that finds a person by identifier, and the MAC that compares requests.
"""
