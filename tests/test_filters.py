"""RedactionFilter on handlers that are not ours."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest

from or_audit_logging import AuditRecord, RedactionFilter
from or_audit_logging.handlers.filters import redacted_copy
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER

MAIL = "ann@example.com"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A StreamHandler with the filter on a logger of its own."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(message)s %(extra_field)s", defaults={"extra_field": ""}))
    handler.addFilter(RedactionFilter())
    logger = logging.getLogger("test.filters")
    logger.propagate = False
    logger.addHandler(handler)
    yield out
    logger.removeHandler(handler)


def test_a_plain_record_leaves_redacted(stream: io.StringIO) -> None:
    """Message, arguments, a secret split over both, extras, exception with its cause, stack."""
    logger = logging.getLogger("test.filters")
    try:
        try:
            raise KeyError(MAIL)
        except KeyError as error:
            raise ValueError("sk-or-v1-0123456789abcdef") from error
    except ValueError:
        logger.exception(
            "to %s sk-or-%s", MAIL, "v1-0123456789abcdef", extra={"extra_field": {MAIL: 1}}, stack_info=True
        )
    out = stream.getvalue()
    assert MAIL not in out
    assert "0123456789abcdef" not in out
    assert "Traceback" in out
    assert "KeyError" in out
    assert "Stack" in out


def test_a_template_with_percent_signs_survives(stream: io.StringIO) -> None:
    """The rendered message is not rendered again."""
    logging.getLogger("test.filters").warning("100%% of %s, %%s", MAIL)
    assert stream.getvalue().strip() == "100% of [EMAIL], %s"


def test_arguments_that_do_not_fit_are_redacted_all_the_same() -> None:
    """The message is kept in a readable form."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "%d apples", (MAIL,), None)
    message = redacted_copy(record, RedactionFilter().redactor).getMessage()
    assert MAIL not in message
    assert "apples" in message


def test_an_audit_record_s_free_text_is_redacted() -> None:
    """Ids, hashes, times and models stay; counts add up; redacting again changes nothing."""
    audit = AuditRecord(
        event_type="chat_completion",
        id="1",
        timestamp="2026-11-21T10:30:45.000000Z",
        user_id=MAIL,
        generation_id="gen-1718900000-abcdefghijklmnopqrst",
        error_message=f"no such user {MAIL}",
        metadata={"to": [MAIL]},
        redactions={"EMAIL": 1},
    )
    record = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "m", (), None)
    record.audit = audit
    filter_ = RedactionFilter()
    copy = redacted_copy(record, filter_.redactor)
    redacted = copy.__dict__["audit"]
    assert (redacted.user_id, redacted.error_message) == ("[EMAIL]", "no such user [EMAIL]")
    assert redacted.metadata == {"to": ["[EMAIL]"]}
    assert redacted.generation_id == audit.generation_id
    assert redacted.redactions == {"EMAIL": 4}
    assert record.__dict__["audit"] is audit
    assert redacted_copy(copy, filter_.redactor) is copy


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 ignores a record that a filter returns")
def test_other_handlers_see_the_original() -> None:
    """The filter returns a copy."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "to %s", (MAIL,), None)
    assert RedactionFilter().filter(record) is not record
    assert record.args == (MAIL,)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on the filter returns a copy")
def test_on_3_11_the_record_itself_is_redacted() -> None:
    """Better than a leak, where logging ignores a returned record."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "to %s", (MAIL,), None)
    assert RedactionFilter().filter(record) is True
    assert record.getMessage() == "to [EMAIL]"


def test_checkpoints_pass_untouched() -> None:
    """They hold hashes, in which a redactor may see anything."""
    record = logging.LogRecord(CHECKPOINT_LOGGER, logging.INFO, "", 0, f"line {MAIL}", (), None)
    assert redacted_copy(record, RedactionFilter().redactor) is record


def test_a_record_class_that_asks_for_arguments() -> None:
    """A factory's own class is copied without being called."""

    class Record(logging.LogRecord):
        def __new__(cls, name: str, *args: object) -> Record:
            return super().__new__(cls)

    record = Record("x", logging.INFO, "", 0, f"to {MAIL}", (), None)
    copy = redacted_copy(record, RedactionFilter().redactor)
    assert type(copy) is Record
    assert copy.getMessage() == "to [EMAIL]"
