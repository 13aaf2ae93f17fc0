"""What a log proves: read its lines, check what they claim, say what follows.

Read in this order: `report` (findings, notes, the verdict), `anchors` (checkpoints kept elsewhere),
`sources` (which files there are), `streams` (their lines), `identity` (whose log it is and which key
sealed it), `position` (where a walk stands), `claims` (what control lines state), `bounds` (anchors met
on the way), `breaks` (lines that do not follow), `walk` (the chain, line by line), `verify`.
"""
