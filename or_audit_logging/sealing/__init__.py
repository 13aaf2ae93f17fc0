"""The rules of the sealed log (docs/format.md): bytes in, bytes and verdicts out, no I/O.

Read in this order: `text` (a value as JSON text), `line` (its shape and suffix), `chain` (keys, leaf
hashes, MACs), `merkle` (the tree over the leaves), `checkpoint` (a tree head as text), `note` (who
signed it), `proof` (that one line is in it), `control` (the log's own lines).
"""
