"""Whether a log is what it says: rows, leaves, tree, streams and keys, compared with each other. Reads only.

In dependency order:

- `finding`: what can be wrong, and a list of what was found
- `rows`: one row against its leaf; pure
- `walk`: the log from its first position: rows, gaps, times, ciphertexts, tiles. The background scrub walks so too
- `streams`: the log once more, stream by stream: versions, and what erasure should have removed
- `keys`: the key store beside the streams
- `log`: all of that for one log, with its head, its names, its guard and its answers
"""
