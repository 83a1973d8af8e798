"""Receipts that people can keep: messages in, documents out. Pure: no I/O, no clock, no chance, no gRPC.

In dependency order: act (what a leaf says), vocabulary (DPV), controller (what only the tenant knows), proof (the
extension that carries the proof), source (what a receipt is made from), process, completeness, iso27560, kantara; cbor
and cose. `data/` holds the JSON Schemas of the documents. Whether to trust a proof is the offline verifier's to say.
"""
