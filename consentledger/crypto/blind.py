"""The keyed index that finds a person by identifier, and the MAC that tells whether a request is the same.

Formats on disk for ever (uint32 big-endian):

    blind index = HMAC-SHA256(pepper, uint32(len(namespace)) ‖ namespace ‖ uint32(len(id)) ‖ id)
    request MAC = HMAC-SHA256(key, uint32(len(method)) ‖ method ‖ message)

Normalisation comes first, because people and systems write one identifier in several ways:

- namespace and id are put in Unicode NFC and encoded in UTF-8;
- in the namespace `email`, the id also loses white space at both ends and upper case (`str.lower`), all of it: no mail
  system in use tells `Ada@` from `ada@`, and two records of one person would let a withdrawal miss one;
- nothing else is changed: what looks alike in any other namespace may be two persons.
"""

import hmac
import struct
import unicodedata

EMAIL = "email"
_UINT32 = struct.Struct(">I")


def normalise(namespace: str, id: str) -> tuple[str, str]:
    """Namespace and id as they are indexed."""
    namespace, id = unicodedata.normalize("NFC", namespace), unicodedata.normalize("NFC", id)
    if namespace == EMAIL:
        id = unicodedata.normalize("NFC", id.strip().lower())  # lower case can undo NFC
    return namespace, id


def blind_index(pepper: bytes, namespace: str, id: str) -> bytes:
    """The blind index of an identifier, 32 bytes. `pepper` is the tenant's, at least 32 bytes."""
    name, value = (part.encode() for part in normalise(namespace, id))
    return hmac.digest(pepper, _UINT32.pack(len(name)) + name + _UINT32.pack(len(value)) + value, "sha256")


def request_mac(key: bytes, method: str, message: bytes) -> bytes:
    """The MAC of a request's content, 32 bytes. `message` must be serialised deterministically."""
    name = method.encode()
    return hmac.digest(key, _UINT32.pack(len(name)) + name + message, "sha256")
