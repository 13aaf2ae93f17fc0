"""Packs: what is looked for only by choice, one file each: a country's identifiers, hardware addresses.

A pack exports `MATCHERS`. Its numbers have check digits or a fixed form; what could be any number counts only
beside a word for it.
"""
