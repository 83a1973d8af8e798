"""What an operator does with the keys of persons: look, wrap anew, destroy an epoch. The commands are elsewhere.

- Nothing here shows or logs a key, a person or an identifier; counts only.
- An epoch is destroyed only when every key that the key store holds opens under one that stays. That also refuses a
  key store that is not this keyring's, or an empty one, where a count of zero would prove nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.provider import KeyUnavailable, ProviderUnreachable
from consentledger.store.epochs import Held, Rewrapped
from consentledger.store.keystore import KeyStore
from services.consent.directory import wrap_aad

Progress = Callable[[int], None]


class Refused(Exception):
    """It would lose keys, or cannot be done. Nothing was destroyed."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch, as status shows it."""

    epoch: int
    """0 stands for keys of a format that this version does not know."""
    keys: int
    """How many person keys are wrapped under it."""
    in_keyring: bool
    current: bool


async def epochs(ring: FileKeyring, keystore: KeyStore, progress: Progress) -> list[Epoch]:
    """Every epoch that the keyring holds or a key is wrapped under, ascending."""
    under = await keystore.epochs.wrapped_under(progress)
    every = sorted({*ring.epochs, *under})
    return [Epoch(n, under.get(n, 0), n in ring.epochs, n == ring.current_epoch) for n in every]


async def rewrap(ring: FileKeyring, keystore: KeyStore, progress: Progress) -> Rewrapped:
    """Wrap every key of an older epoch anew under the current one."""

    def again(held: Held) -> bytes:
        aad = wrap_aad(held.tenant, held.person)
        return ring.wrap(ring.unwrap(held.wrapped, aad), aad)

    return await keystore.epochs.rewrap(ring.current_epoch, again, progress)


async def destroy_epoch(ring: FileKeyring, keystore: KeyStore, epoch: int, progress: Progress) -> None:
    """Destroy an epoch's key. Raises Refused while it is current or a key needs it. Safe to repeat."""
    if epoch == ring.current_epoch:
        raise Refused(f"epoch {epoch} is the current one: roll first")
    if not 0 < epoch < ring.current_epoch:
        raise Refused(f"there is no epoch {epoch}")
    await _refuse_if_needed(ring, keystore, epoch, progress)
    # From here on no process can add a key under it; those that were just being added are counted now.
    await keystore.epochs.raise_floor(epoch + 1)
    await _refuse_if_needed(ring, keystore, epoch, progress)
    ring.destroy(epoch)


async def _refuse_if_needed(ring: FileKeyring, keystore: KeyStore, epoch: int, progress: Progress) -> None:
    needing = foreign = staying = 0
    async for page in keystore.epochs.pages():
        for held in page:
            under = held.epoch
            if under <= epoch and under in ring.epochs:
                needing += 1
            elif under in ring.epochs:
                opened = _opens(ring, held)
                staying, foreign = staying + opened, foreign + (not opened)
        progress(needing + foreign + staying)
    if needing:
        raise Refused(f"keys still wrapped under epoch {epoch} or an older one: {needing}; rewrap first")
    if foreign:
        raise Refused(f"keys that do not open with this keyring: {foreign}; is this its key store?")
    if not staying:
        raise Refused("the key store holds no key that this keyring opens: is this its key store?")


def _opens(ring: FileKeyring, held: Held) -> bool:
    try:
        ring.unwrap(held.wrapped, wrap_aad(held.tenant, held.person))
    except ProviderUnreachable:
        raise
    except KeyUnavailable:
        return False
    return True
