"""What a log says of its calls, in figures.

Read in this order: `values` (the parts of an answer), `figures` (`Report`, all of them), `sql/` and
`questions` (one question each), `endings` (calls that ended after the period), `making` (`report`, which puts
them together), `writing` (JSON).
"""
