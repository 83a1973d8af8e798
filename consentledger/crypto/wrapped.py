"""A wrapped person key as it is stored, and which epoch key wrapped it. Pure.

The format on disk for ever:

    0x01 ‖ epoch (uint32 big-endian) ‖ nonce (12 random bytes) ‖ AES-256-GCM(epoch key, nonce, key, 0x01 ‖ epoch ‖ aad)

At most 2^32 keys an epoch, by the random nonce.
"""

import struct

from consentledger.crypto.provider import KeyUnavailable

FORMAT = 1
HEAD = struct.Struct(">BI12s")
"""Format, epoch, nonce: what stands in front of the ciphertext."""


def epoch_of(wrapped: bytes) -> int:
    """The number of the epoch. Raises KeyUnavailable for what is no wrapped key."""
    if len(wrapped) < HEAD.size or wrapped[0] != FORMAT:
        raise KeyUnavailable("not a wrapped key of this format")
    return int.from_bytes(wrapped[1:5], "big")
