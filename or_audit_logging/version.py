"""The library's version, as it stands in `log.genesis`, `log.open` and `log.start` lines."""

__version__ = "0.1.0"
