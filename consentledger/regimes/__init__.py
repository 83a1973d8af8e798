"""The law as data: which regimes apply to a person, and the numbers each one sets.

- `model.py`  what a regime is, and which apply where; pure
- `load.py`   reads and checks the data files
- `data/`     one TOML file a regime (the US states share one) and `jurisdictions.toml`, which maps places to regimes

No number of any law stands in code. Each in the data names its source beside it. None of it is legal advice: a
controller checks the data against the law as it stands for them.
"""
