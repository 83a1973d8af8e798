"""What outlives an erased person's refusals in the key store, and finding it again: under a blind index of its own.

- The pepper is not the one of the identifier index: the two cannot be compared, and either can be lost alone.
- The text is JSON: `{"everything": false, "purposes": ["ads"], "signal": false, "since_us": 1772323200000000}`.
"""

import json
from collections.abc import Sequence

from consentledger.crypto.blind import blind_index
from consentledger.crypto.provider import KeyProvider
from consentledger.store.keystore import KeyStore
from services.consent.domain.refusals import Refusals

_MOST = 1_000


class Keeping:
    """Refusals by identifier."""

    def __init__(self, keystore: KeyStore, provider: KeyProvider) -> None:
        self._keystore = keystore
        self._provider = provider
        self._peppers: dict[str, bytes] = {}

    def blind(self, tenant: str, namespace: str, id: str) -> bytes:
        """Where the refusals of an identifier are kept."""
        pepper = self._peppers.get(tenant)
        if pepper is None:
            pepper = self._peppers[tenant] = self._provider.derive(f"consent.suppression.{tenant}")
        return blind_index(pepper, namespace, id)

    async def of(self, tenant: str, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Refusals]:
        """What these (namespace, id) refused before their persons were erased; nothing for most."""
        blinds = {name: self.blind(tenant, *name) for name in names}
        every = list(dict.fromkeys(blinds.values()))
        kept: dict[bytes, str] = {}
        for at in range(0, len(every), _MOST):
            kept.update(await self._keystore.erased.refusals(tenant, every[at : at + _MOST]))
        return {name: unpack(kept[blind]) for name, blind in blinds.items() if blind in kept}


def pack(refusals: Refusals) -> str:
    """As text."""
    fields = {
        "everything": refusals.everything,
        "purposes": refusals.purposes,
        "signal": refusals.signal,
        "since_us": refusals.since_us,
    }
    return json.dumps(fields, sort_keys=True)


def unpack(text: str) -> Refusals:
    """The refusals."""
    fields = json.loads(text)
    return Refusals(tuple(fields["purposes"]), fields["everything"], fields["signal"], fields["since_us"])
