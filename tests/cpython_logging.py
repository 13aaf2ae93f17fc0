"""Classes of CPython's own tests of `logging`, run with the audit handler in place of its file handlers.

    python cpython_logging.py ConfigDictTest HandlerTest    # in an empty folder, which TMPDIR names as well

The last line it prints is a JSON object: by class, which tests ran, failed, were skipped, were left out. With
--left-out it runs those that are left out otherwise, to see that leaving them out is needed.
"""

from __future__ import annotations

import inspect
import json
import logging
import logging.handlers
import os
import re
import select
import sys
import tempfile
import types
import unittest
from typing import Any

from or_audit_logging import AuditFileHandler

KEY = b"a fake key for tests, not a secret: 0123456789"

_CONTENT = (
    "reads the file as text, or truncates it; a sealed log holds JSON lines, in a file that bears the date"
)
_STREAM = "looks at the attribute `stream`; an audit handler writes with a descriptor"
_RENAMES = "expects the file to be renamed, or asks whether it will be; in a sealed log nothing ever is"
_WHEN = "computes when the file is to be renamed; segments are UTC days and nothing else"
_DEVICE = "opens something under /dev"
_WATCHED = "is about WatchedFileHandler, which is not replaced, and takes many seconds"

LEFT_OUT: dict[str, dict[str, str]] = {
    "HandlerTest": {
        "test_builtin_handlers": _DEVICE,
        "test_post_fork_child_no_deadlock": _DEVICE,
        "test_race": _WATCHED,
    },
    "QueueHandlerTest": {},
    "QueueListenerTest": {},
    "ConfigDictTest": {"test_config_queue_handler": _CONTENT},
    "ConfigFileTest": {},
    "BasicConfigTest": {
        "test_encoding": _CONTENT,
        "test_encoding_errors": _CONTENT,
        "test_encoding_errors_default": _CONTENT,
        "test_encoding_errors_none": _CONTENT,
        "test_log_taskName": _CONTENT,
        "test_filemode": _STREAM,
        "test_filename": _STREAM,
    },
    "EncodingTest": {"test_encoding_plain_file": _CONTENT},
    "FileHandlerTest": {
        "test_delay": _STREAM,
        "test_emit_after_closing_in_write_mode": _CONTENT,
    },
    "RotatingFileHandlerTest": {
        "test_max_bytes": _RENAMES,
        "test_max_bytes_delay": _RENAMES,
        "test_namer_rotator_inheritance": _RENAMES,
        "test_rollover_filenames": _RENAMES,
        "test_rotator": _RENAMES,
        "test_should_not_rollover": _RENAMES,
        "test_should_not_rollover_non_file": _DEVICE,
        "test_should_rollover": _RENAMES,
    },
    "TimedRotatingFileHandlerTest": {
        "test_compute_files_to_delete": _RENAMES,
        "test_compute_files_to_delete_same_filename_different_extensions": _RENAMES,
        "test_compute_rollover_D": _WHEN,
        "test_compute_rollover_D_interval": _WHEN,
        "test_compute_rollover_H": _WHEN,
        "test_compute_rollover_H_interval": _WHEN,
        "test_compute_rollover_M": _WHEN,
        "test_compute_rollover_MIDNIGHT": _WHEN,
        "test_compute_rollover_MIDNIGHT_interval": _WHEN,
        "test_compute_rollover_MIDNIGHT_local": _WHEN,
        "test_compute_rollover_MIDNIGHT_local_interval": _WHEN,
        "test_compute_rollover_M_interval": _WHEN,
        "test_compute_rollover_S": _WHEN,
        "test_compute_rollover_S_interval": _WHEN,
        "test_compute_rollover_W0": _WHEN,
        "test_compute_rollover_W0_interval": _WHEN,
        "test_compute_rollover_W6_local": _WHEN,
        "test_compute_rollover_W6_local_interval": _WHEN,
        "test_compute_rollover_daily_attime": _WHEN,
        "test_compute_rollover_weekly_attime": _WHEN,
        "test_invalid": _WHEN,
        "test_rollover": _RENAMES,
        "test_rollover_at_midnight": _RENAMES,
        "test_rollover_at_weekday": _RENAMES,
        "test_should_not_rollover": _DEVICE,
    },
    "ShutdownTest": {},
    "MemoryHandlerTest": {},
    "ModuleLevelMiscTest": {},
}
"""By class: the tests that are not run, and why. The last three replace nothing: that the package is imported
must not change them."""

_DEVICES = re.compile(r"devnull|/dev/")


class InPlaceOfFileHandler(AuditFileHandler):
    """Takes what stdlib's file handlers take. The log stands in a folder of its own beside the file named."""

    def __init__(
        self,
        filename: str | os.PathLike[str],
        *positional: object,
        encoding: str | None = None,
        delay: bool = False,
        **options: object,
    ) -> None:
        super().__init__(
            os.path.join(os.fspath(filename) + ".audit", "audit.jsonl"), key=lambda: KEY, encoding=encoding
        )
        if not delay:
            with open(filename, "ab"):  # the tests remove the file they named
                pass

    def sealed(self) -> list[dict[str, Any]]:
        """Return the records in the log, without the log's own lines."""
        folder = os.path.dirname(self.baseFilename)
        found = []
        for name in sorted(os.listdir(folder)):
            if name.endswith(".jsonl"):
                with open(os.path.join(folder, name), encoding="ascii") as file:
                    found += [json.loads(line) for line in file]
        return [members for members in found if not members["event_type"].startswith("log.")]


class InPlaceOfTestHandler(InPlaceOfFileHandler):
    """Stands for test.support's TestHandler behind a queue: what is matched is what was sealed."""

    def __init__(self, matcher: object) -> None:
        super().__init__(os.path.join(tempfile.mkdtemp(), "behind_a_queue.log"))

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - logging's name
        """Set any level: these tests see whether a listener respects it."""
        logging.Handler.setLevel(self, level)

    def matches(self, *, levelno: int, message: str) -> bool:
        wanted = (logging.getLevelName(levelno), message)
        return wanted in [(members["level"], members["message"]) for members in self.sealed()]


class _LoggingBefore(types.ModuleType):
    """`logging` with its own FileHandler still in it: what `logging.handlers` goes on building on."""

    FileHandler = logging.FileHandler

    def __getattr__(self, name: str) -> Any:
        return getattr(logging, name)


def divided(case: type[unittest.TestCase], *, left_out: bool) -> tuple[list[str], list[str]]:
    """Return the names of the tests of *case* to run and of those not to run."""
    names = unittest.TestLoader().getTestCaseNames(case)
    table = LEFT_OUT.get(case.__name__, {})
    devices = [name for name in names if _DEVICES.search(inspect.getsource(getattr(case, name)))]
    listed = [name for name in names if name in table or name in devices]
    if left_out:
        return [name for name in listed if name not in devices], listed
    return [name for name in names if name not in listed], listed


def _only_below(folder: str) -> None:
    """Refuse, for the rest of this process, to change files that are not below *folder*."""
    root = os.path.realpath(folder) + os.sep
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            paths = (path,) if flags & writing and path != os.devnull else ()
        elif event in ("os.rename", "os.link", "os.symlink"):
            paths = arguments[:2]
        elif event in ("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod"):
            paths = arguments[:1]
        else:
            return
        for path in paths:
            if not isinstance(path, int) and not os.path.realpath(os.fsdecode(path)).startswith(root):
                raise PermissionError(f"{event} of {path!r} outside of {root}")

    sys.addaudithook(look)


def _impatient() -> None:
    """Let a listener look at once whether it is to stop, and not once a second."""
    patient = select.select

    def wait(readable: Any, writable: Any, odd: Any, timeout: float | None = None) -> Any:
        return patient(readable, writable, odd, timeout and min(timeout, 0.02))

    select.select = wait


def run(*classes: str, left_out: bool = False) -> dict[str, dict[str, Any]]:
    """Run those classes, in this process, and return by class what came of it."""
    from test import test_logging

    vars(logging.handlers).update(
        logging=_LoggingBefore("logging"),
        RotatingFileHandler=InPlaceOfFileHandler,
        TimedRotatingFileHandler=InPlaceOfFileHandler,
    )
    vars(logging).update(FileHandler=InPlaceOfFileHandler)
    vars(test_logging).update(TestHandler=InPlaceOfTestHandler)
    _impatient()
    _only_below(os.getcwd())
    return {name: _outcome(getattr(test_logging, name), left_out=left_out) for name in classes}


def _outcome(case: type[unittest.TestCase], *, left_out: bool) -> dict[str, Any]:
    names, listed = divided(case, left_out=left_out)
    result = unittest.TestResult()
    unittest.TestSuite(case(each) for each in names).run(result)
    return {
        "ran": names,
        "failed": {test.id().rpartition(".")[2]: text for test, text in result.failures + result.errors},
        "skipped": {test.id().rpartition(".")[2]: reason for test, reason in result.skipped},
        "left_out": listed,
    }


if __name__ == "__main__":
    named = [argument for argument in sys.argv[1:] if argument != "--left-out"]
    print("\n" + json.dumps(run(*named, left_out=len(named) < len(sys.argv) - 1)))
