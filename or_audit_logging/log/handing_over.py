"""Where checkpoints go once they are made: to the logger `or_audit_logging.checkpoint`, one record for each.

    troubles = hand_over(writer.checkpoints.take())

It is looked up at each use and propagates to the root, so that whatever ships the other logs carries them
away. The lines are on disk by then, and the caller holds no lock: whoever takes them may log himself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

CHECKPOINT_LOGGER = "or_audit_logging.checkpoint"
"""Checkpoints are handed out under this name; they hold hashes only and stay as they are."""


def hand_over(lines: Sequence[str]) -> list[str]:
    """Hand each of *lines* to the logger's handlers; return what went wrong, one for each that failed."""
    logger, troubles = logging.getLogger(CHECKPOINT_LOGGER), []
    for line in lines:
        try:
            logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, line, (), None))
        except Exception as error:  # noqa: BLE001 - somebody's handler; the caller goes on
            troubles.append(f"a handler of {CHECKPOINT_LOGGER} raised {type(error).__name__}")
    return troubles
