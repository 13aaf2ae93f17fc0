"""The edge to SQLite: a log's sealed lines in a table, and the view that questions are asked of.

`columns` says what of a line stands in columns, `schema` what a store consists of, `connection` keeps
processes, threads and forks apart, `writer` seals and adds lines, `reader` reads a store and changes nothing.
"""
