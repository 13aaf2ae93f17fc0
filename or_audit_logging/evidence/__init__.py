"""What a log proves: read its lines, check what they claim, say what follows.

Read in this order. Values: `report` (findings, notes, the verdict), `summary` (that in words), `anchors`
(checkpoints kept elsewhere). Whose log it is: `identity` (and which key sealed it), `signers` (whose
signatures count); files are read through `log/`. The chain: `position` (where a walk stands), `starts`,
`tally`, `deletions` (what went), `certificates` and `claims` (what control lines state), `bounds` (anchors
met on the way), `breaks` (lines that do not follow), `chain`. The walk: `shape` and `stride` (slow and
fast), `stretches` and `ahead` (other processes do the fast part), `walk` (one file), `folder` (all of
them). What a collector gathered: `projected` (a line in another format), `unwrap` (a line out of what is
around it), `collected` (a file of them), `export`, `several` (logs in one). At the end: `arguments`,
`judgement` (from a walk to a report), `verify`. By themselves: `prove` and `check_proof` (one record's
proof), `books` (a log as tables), `reporting` (its figures), `html` (them as a page), `doctor`.

What calls cost: `reading` (lines for questions, unverified), `settlement` (which calls lack a cost, when to
ask, what is written), `settled`, `settling`, `settle`; then `ledger` (the log's sums), `figures`
(OpenRouter's), `reconciliation` (the differences as values), `reconcile`.

How long it is kept: `retention`.
"""
