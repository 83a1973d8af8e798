"""Signals that a browser or device sends for a person. Pure: bytes and texts in, values out.

- `gpc.py`  Global Privacy Control: the `Sec-GPC` header and the `/.well-known/gpc.json` resource

What a signal does to a decision is not here: the regimes say where it must be honoured, the consent domain honours it.
"""
