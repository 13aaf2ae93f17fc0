"""Shipping: sealed lines to whoever else is to have them, each at least once (docs/targets.md)."""
