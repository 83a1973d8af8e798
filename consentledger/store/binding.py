"""A log, its key store and its keyring belong together: tied at the first start, compared at every other.

Any two that do not fit would go on without an error and answer for people who seem unknown: an objection would be gone.
So a service refuses to start with a key store that is another log's, new, or lost, and with another keyring.
"""

import hmac
import secrets

from consentledger.crypto.provider import KeyProvider
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import Store, StoreUnavailable
from consentledger.store.signedlog import born

_READ = "SELECT keystore, key_check FROM bound_to"
_WRITE = "INSERT INTO bound_to (only_row, keystore, key_check) VALUES (1, $1, $2)"


class DoNotFit(StoreUnavailable):
    """Log, key store and keyring do not belong together."""


async def bind(store: Store, keystore: KeyStore, provider: KeyProvider) -> None:
    """Tie them together, or raise DoNotFit. Several replicas may do it at once."""
    async with store.write() as tx:
        epoch = await born(tx)
        rows = await tx.fetch(_READ)
        name, bound = await keystore.bind(epoch, secrets.token_bytes(16))
        check = hmac.digest(provider.derive("store.key-check"), name + epoch.to_bytes(8, "big"), "sha256")
        if bound != epoch:
            raise DoNotFit("the key store belongs to another log")
        if not rows:
            if tx.head.position:
                raise DoNotFit("the log has events, and was never tied to a key store")
            await tx.executemany(_WRITE, [(name, check)])
        elif bytes(rows[0][0]) != name:
            raise DoNotFit("the log belongs to another key store: this one is new, or not the right one")
        elif not hmac.compare_digest(bytes(rows[0][1]), check):
            raise DoNotFit("the keyring is not the one that the log was written with")
