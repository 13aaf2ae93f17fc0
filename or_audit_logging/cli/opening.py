"""What the commands that add lines to a log have in common: which log, under which keys."""

from __future__ import annotations

import argparse
from pathlib import Path

from or_audit_logging.cli.output import warn
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import looks_like_store
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.shared_writer import SharedWriter
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.signing_keys import SigningKeys


def add_log_arguments(parser: argparse.ArgumentParser, *, or_store: bool = False) -> None:
    """Add the log's folder (*or_store*: or its store) and its keys to *parser*."""
    if or_store:
        parser.add_argument("log", metavar="DIR|DB", help="the log's folder, or its store")
    else:
        parser.add_argument("log", metavar="DIR", help="the log's folder")
    add_key_argument(parser)
    parser.add_argument(
        "--signing-key",
        metavar="KEY",
        action="append",
        help="env:NAME or file:PATH of the key that signs this log's checkpoints; may be given again",
    )


def add_key_argument(parser: argparse.ArgumentParser) -> None:
    """Add the log's secret to *parser*."""
    parser.add_argument(
        "--key",
        metavar="KEY",
        action="append",
        help="env:NAME or file:PATH; after a change of keys given once for each "
        "(default: OR_AUDIT_KEY, or OR_AUDIT_KEY_FILE)",
    )


def find_layout(options: argparse.Namespace) -> LogLayout:
    """Return the layout of the log that *options* name; raises `ConfigError`."""
    folder = Path(options.log)
    layout = LogLayout.discover(folder) if folder.is_dir() else None
    if layout is None:
        raise ConfigError(f"there is no audit log in {folder}")
    return layout


def open_writer(options: argparse.Namespace, layout: LogLayout) -> LogWriter:
    """Return a writer to the log; raises `ConfigError`."""
    ring, signing = KeyRing.from_sources(options.key), SigningKeys.from_sources(options.signing_key)
    return LogWriter(layout, ring, signing=signing)


def open_shared_writer(options: argparse.Namespace) -> tuple[SharedWriter, Path, str]:
    """Return a writer to the log in the folder or store that *options* name, with its folder and stem.

    Raises `ConfigError`.
    """
    path = Path(options.log).absolute()
    if path.is_file() and looks_like_store(path):
        from or_audit_logging.store.writer import StoreWriter  # brings sqlite3

        ring, signing = KeyRing.from_sources(options.key), SigningKeys.from_sources(options.signing_key)
        return StoreWriter(path, ring, signing=signing), path.parent, path.stem
    layout = find_layout(options)
    return open_writer(options, layout), layout.folder, layout.stem


def warn_if_unsigned(writer: SharedWriter) -> None:
    """Say so where the checkpoint to come will lack the signature that the log's others bear."""
    if (vkey := writer.leaves_unsigned) is not None:
        warn(f"the checkpoint is not signed as the log's others are; give --signing-key, the one of {vkey}")
