"""The figures of what is handed over, and of nothing else: the report, asked of these lines alone."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
from pathlib import Path

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.html.page import page
from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.package.asked import Asked
from or_audit_logging.evidence.package.choosing import Chosen
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.making import report
from or_audit_logging.evidence.reporting.rows import write_csv
from or_audit_logging.evidence.reporting.writing import to_json

_BOOKS = "books"


def report_on_lines(lines: Path, asked: Asked, chosen: Chosen) -> Report | None:
    """Return the report on the lines in the file *lines*, None where no call is among them."""
    if chosen.earliest is None or chosen.latest is None:
        return None
    since, until = asked.since or chosen.earliest, asked.until or chosen.latest
    folder = lines.parent / _BOOKS
    folder.mkdir(mode=0o700)
    book = folder / f"audit_{since[:10]}.jsonl"
    try:
        os.link(lines, book)
    except OSError:  # a file system without links
        shutil.copyfile(lines, book)
    try:
        made = report(folder, since=since, until=until)
    except ConfigError:  # no call in it
        return None
    finally:
        shutil.rmtree(folder)
    return dataclasses.replace(made, path=names.LINES)


def write_reports(made: Report, folder: Path) -> None:
    """Write the report in its three forms to *folder*."""
    rows = io.StringIO(newline="")
    write_csv(made, rows)
    texts = {"html": page(made), "json": to_json(made.to_dict()) + "\n", "csv": rows.getvalue()}
    for name in names.REPORTS:
        text = texts[name.rpartition(".")[2]]
        (folder / name).write_bytes(text.encode("utf-8", "backslashreplace"))
