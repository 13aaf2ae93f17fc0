"""A bucket as the place where closed segments and checkpoints are kept, each an object of its own.

Read in this order: `address` (what a target's address says, and the keys of objects), `bucket` (one
request each), `locking` (Object Lock, read back), `storing` (an object, put once), `packing` (a segment as
an object), `seals` (is a line sealed), `terms` (for how long, and under which holds), `holding` (holds on
what is stored), `checkpoints` (read again). The target itself is `ship/targets/s3.py`.
"""
