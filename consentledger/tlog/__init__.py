"""The transparency log, pure: bytes in, bytes out. Standard library and `cryptography` only; the offline verifier
stands on this package and on nothing else of ours.

In dependency order: hashing, tree (the compact right edge), plans, proofs, tilenames, tiles; spelling (canonical base64
and decimal), checkpoint, signatures (what each kind signs), keys, note, cosignature, prooffile, policytext, policy.
"""
