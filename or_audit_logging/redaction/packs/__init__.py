"""Packs: the identifiers of one country in one file each, off by default.

A pack exports `MATCHERS`. Its numbers have check digits or a fixed form; what could be any number counts only
beside a word for it.
"""
