"""Where records go: handlers, filters and formatters for `logging`, configured with `dictConfig`.

This room knows records and lines, not how a call was captured.
"""
