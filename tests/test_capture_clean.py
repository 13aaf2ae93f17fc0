"""What a record is given: redacted, counted, cut, printable, and never raw when redaction fails."""

import re
from dataclasses import dataclass

import pytest

from or_audit_logging.capture.clean import LABEL_LIMIT, MESSAGE_LIMIT, Cleaner
from or_audit_logging.digest import pseudonym
from or_audit_logging.policy import RedactedText
from or_audit_logging.redaction import Redacted, Redactor
from or_audit_logging.sealing.chain import digest_key

KEY = digest_key(b"a visibly fake secret of 32 bytes or more")
API_KEY = "sk-or-v1-" + "f4ke" * 16


def cleaner(*, key: bool = True) -> Cleaner:
    return Cleaner(Redactor(), KEY if key else None)


@dataclass
class Failing:
    """A redactor that fails, and counts how often it was asked."""

    digest: str = "failing"
    asked: int = 0

    def redact(self, text: str) -> RedactedText:
        self.asked += 1
        raise RuntimeError(text)

    def redact_value(self, value: object) -> tuple[object, dict[str, int]]:
        raise RuntimeError(str(value))


@dataclass
class Counting:
    """A redactor that counts how often it was asked."""

    digest: str = "counting"
    asked: int = 0

    def redact(self, text: str) -> Redacted:
        self.asked += 1
        return Redactor().redact(text)

    def redact_value(self, value: object) -> tuple[object, dict[str, int]]:
        self.asked += 1
        return Redactor().redact_value(value)


def test_an_address_as_user_id_becomes_a_pseudonym() -> None:
    """Attribution survives: every spelling of one address is one keyed pseudonym, and it is counted."""
    clean = cleaner()
    assert clean.person("Ann@Example.com") == pseudonym("EMAIL", "ann@example.com", KEY)
    assert clean.counts == {"EMAIL": 1}


def test_without_a_key_a_person_is_redacted() -> None:
    """No key, no pseudonym."""
    clean = cleaner(key=False)
    assert clean.person("ann@example.com") == "[EMAIL]"
    assert clean.counts == {"EMAIL": 1}


@pytest.mark.parametrize(
    "user", ["u-42", "auth0|5f7c8ec7c33c6c004bbafe82", "c9bf9e57-1685-4c89-bafb-ff5af830be8a"]
)
def test_an_ordinary_id_stays(user: str) -> None:
    """Ids without personal data are kept as they are."""
    clean = cleaner()
    assert clean.person(user) == user
    assert not clean.counts


@pytest.mark.parametrize("value", [None, "", 3, b"x", ["x"], object()])
def test_labels_are_text(value: object) -> None:
    """Whatever is not text is unknown."""
    assert cleaner().label(value) is None
    assert cleaner().person(value) is None


def test_labels_are_cut() -> None:
    """A name has at most 200 characters."""
    assert cleaner().label("m" * 1000) == "m" * LABEL_LIMIT


def test_long_ids_of_people_stay_apart() -> None:
    """Cut, two of them might become one; a pseudonym stands for each."""
    one, two = cleaner().person("u" * 1000 + "1"), cleaner().person("u" * 1000 + "2")
    assert one != two
    assert str(one).startswith("[ID:")


def test_labels_are_printable() -> None:
    """A line break in a model's name cannot forge a line in somebody's log."""
    assert cleaner().label("model\nERROR forged\x1b[2J\ud800") == "model?ERROR forged?[2J?"


def test_a_secret_in_a_label_is_redacted() -> None:
    """A key given as the model's name does not become the model's name."""
    clean = cleaner()
    assert clean.label(API_KEY) == "[API_KEY]"
    assert clean.counts == {"API_KEY": 1}


def test_a_message_is_redacted_before_it_is_cut() -> None:
    """A secret across the limit leaves no half behind."""
    clean = cleaner()
    message = clean.message("x" * (MESSAGE_LIMIT - 6) + " " + API_KEY)
    assert message is not None
    assert len(message) <= MESSAGE_LIMIT
    assert not re.search("sk-|f4ke", message)
    assert clean.counts == {"API_KEY": 1}


def test_a_message_beyond_all_measure_is_left_out() -> None:
    """Redacting it whole would take too long, and cutting it first could halve a secret."""
    assert cleaner().message("x" * 100_000) == "[100000 characters left out]"
    assert cleaner().message(None) is None


def test_metadata_is_a_redacted_copy() -> None:
    """Values and keys are covered, and the caller's mapping stays as it is."""
    clean = cleaner()
    given = {
        "feature": "faq",
        "contact": "ann@example.com",
        "api_key": "anything",
        "nested": {"n": [1, None]},
    }
    before = dict(given)
    assert clean.metadata(given) == {
        "feature": "faq",
        "contact": "[EMAIL]",
        "api_key": "[SECRET]",
        "nested": {"n": [1, None]},
    }
    assert given == before
    assert clean.counts == {"EMAIL": 1, "SECRET": 1}


def test_no_metadata_is_none() -> None:
    """An empty mapping says nothing."""
    assert cleaner().metadata({}) is None


def test_what_was_harmless_is_not_searched_again() -> None:
    """Names and metadata repeat: a second record costs no second search, and still counts what it must."""
    redactor = Counting()
    for _ in range(2):
        clean = Cleaner(redactor, KEY)
        assert clean.label("fake/model-once") == "fake/model-once"
        assert clean.metadata({"feature": "faq", "n": 1}) == {"feature": "faq", "n": 1}
    assert redactor.asked == 3
    for _ in range(2):
        clean = Cleaner(redactor, KEY)
        assert clean.label("ann@example.com") == "[EMAIL]"
        assert clean.metadata({"who": "ann@example.com"}) == {"who": "[EMAIL]"}
        assert clean.counts == {"EMAIL": 2}
    assert redactor.asked == 7


def test_equal_values_of_other_types_are_told_apart() -> None:
    """True is 1 in a set, and not in a record."""
    clean = cleaner()
    assert clean.metadata({"n": 1}) == {"n": 1}
    out = clean.metadata({"n": True})
    assert out is not None
    assert out["n"] is True


def test_nothing_passes_when_redaction_fails() -> None:
    """A redactor that raises leaves the value unknown, and the text in no message."""
    clean = Cleaner(Failing(), KEY)
    assert clean.label("some model") is None
    assert clean.person("someone") is None
    assert clean.message("some text") is None
    assert clean.metadata({"a": "b"}) is None


def test_content_is_a_redacted_copy() -> None:
    """Text anywhere in it, counted; None where redaction fails."""
    clean = cleaner()
    given = [{"role": "user", "content": "mail ann@example.com"}]
    assert clean.content(given) == [{"role": "user", "content": "mail [EMAIL]"}]
    assert given[0]["content"] == "mail ann@example.com"
    assert clean.counts == {"EMAIL": 1}
    assert Cleaner(Failing(), KEY).content(given) is None
