"""The edge between rules and disk: where a log's lines stand, and the one way to add to them.

`segments` knows names and order, `lock` keeps processes apart, `tail` finds where a log ends, `writer`
adds lines. Handlers and commands write through `LogWriter`. Readers use `segments`, `sources` (which files
there are, and how long each is) and `streams` (a file's lines, plain or compressed).
"""
