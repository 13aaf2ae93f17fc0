"""The hints for OpenRouter's error codes, and the page that has their long form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from json_values import JSON
from samples import REPOSITORY

from or_audit_logging.hints import STATUS_PAGE, hint, hinted_codes, looks_like_key
from or_audit_logging.testing.openrouter.errors import ERRORS

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_that_openrouter_answers_has_a_hint(name: str) -> None:
    """As a number and as text; short enough for a table."""
    status = ERRORS[name].status
    said = hint(status)
    assert said
    assert said == hint(str(status))
    assert len(said) < 120


def test_the_page_has_a_section_for_each_code() -> None:
    """In order, with the status page for the rest."""
    sections = re.findall(r"^### (\d+)", PAGE, re.MULTILINE)
    assert [int(code) for code in sections] == [*hinted_codes(), 500]
    assert STATUS_PAGE in PAGE


def test_the_same_code_means_something_else_for_a_past_call() -> None:
    """A model that is not there, a generation that is not there yet, an address that is none."""
    said = {hint(404, asked="call"), hint(404, asked="generation"), hint(404, asked="account")}
    assert len(said) == 3
    assert hint(429, asked="generation") == hint(429)


@given(JSON)
def test_what_is_no_code_has_no_hint(value: object) -> None:
    """Whatever a provider puts there."""
    found = hint(value)
    assert found is None or isinstance(value, (int, str))


def test_what_openrouters_keys_look_like() -> None:
    """Other providers' do not."""
    assert looks_like_key("sk-or-v1-0123")
    assert not looks_like_key("sk-proj-0123")
