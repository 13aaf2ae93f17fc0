"""The command `or-audit`: one module a command, each with `add_parser` and `run`."""
