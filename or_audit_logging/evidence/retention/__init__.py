"""Keeping a log and letting go of it: retention, holds, records that are redacted.

Read in this order. `history` (what a log says of its own keeping), `policies` (for how long), `planning`
(what is to be done: a rule), `locking` and `opened` (alone with a log that verifies), `applying` (the only
place that touches files), `retain` (all of it), `holds`.
"""
