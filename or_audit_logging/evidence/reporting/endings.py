"""`ended_later`: which calls ended in the segments that lie after a period.

A call that begins before midnight may end long after it. Of the segments behind a period only late facts are
read; so, if calls are open at the end of it, their ids are searched for in what those segments say ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.books.pages import Page, Problems, blocks_of, pages_of
from or_audit_logging.evidence.books.period import Period

_ENDED = re.compile(rb'"started_id":"([^"]*)"')


def ended_later(path: PathText, period: Period, ids: Collection[str]) -> set[str]:
    """Return those of *ids*, of calls that began in *period*, that ended in later segments of a folder.

    What cannot be read of these segments is passed over: the period's figures do not rest on it.
    """
    layout = find_log(path).layout if ids else None
    if layout is None:
        return set()
    problems = Problems()
    open_, ended = {one.encode() for one in ids}, set[str]()
    for page in pages_of(layout, period, problems):
        if period.is_ahead(page.source.segment.day):
            ended |= _ended_in(page, open_, problems)
    return ended & set(ids)


def _ended_in(page: Page, open_: Collection[bytes], problems: Problems) -> set[str]:
    found = set()
    for block in blocks_of(page.source, problems):
        for match in _ENDED.finditer(block):
            if match[1] in open_:
                start = block.rfind(b"\n", 0, match.start()) + 1
                found.add(_started_id(block[start:].split(b"\n", 1)[0]))
    return found


def _started_id(line: bytes) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    return str(record.get("started_id")) if isinstance(record, dict) else ""
