"""A list of what was revoked, kept where the data is used. Pure: where it is stored is the caller's affair.

- For each person and purpose the word with the greatest ledger position wins, in whatever order words arrive: a
  revocation that is delivered again, late, does not undo a grant that came after it, and the other way round.
- It holds only what it was told. No word means neither allowed nor suppressed: ask `CheckConsent`.
- Use keys that are not identifiers where you can, such as a keyed hash of them.
"""

from collections.abc import Hashable, Iterable

from consentledger.client.obligation import ALL


class SuppressionList:
    """Who must not be used for what."""

    def __init__(self) -> None:
        self._words: dict[Hashable, dict[str, tuple[int, bool]]] = {}
        self._everybody: dict[str, int] = {}

    def suppress(self, person: Hashable, purposes: Iterable[str], position: int) -> bool:
        """Take in a revocation at a ledger position. False when newer words stood already for all of it."""
        taken = [self._put(person, purpose, position, True) for purpose in purposes]
        return any(taken)

    def allow(self, person: Hashable, purpose: str, position: int) -> bool:
        """Take in a grant at a ledger position. False when a newer word stood already."""
        return self._put(person, purpose, position, False)

    def suppress_everybody(self, purposes: Iterable[str], position: int) -> None:
        """Take in a catalogue obligation: older grants of these purposes hold no longer."""
        for purpose in purposes:
            self._everybody[purpose] = max(position, self._everybody.get(purpose, 0))

    def suppressed(self, person: Hashable, purpose: str) -> bool:
        """Whether the newest word about this person and purpose is a revocation."""
        words = self._words.get(person, {})
        none = (0, False)
        position, stopped = max(words.get(purpose, none), words.get(ALL, none))
        everybody = max(self._everybody.get(purpose, 0), self._everybody.get(ALL, 0))
        return stopped or everybody > position

    def _put(self, person: Hashable, purpose: str, position: int, stopped: bool) -> bool:
        words = self._words.setdefault(person, {})
        if purpose in words and words[purpose][0] >= position:
            return False
        words[purpose] = (position, stopped)
        return True
