"""SSNs and ITINs, and the packs of other countries: what is found and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from redaction_cases import ADVERSARIAL, found, replaced, texts

from or_audit_logging.redaction import numbers
from or_audit_logging.redaction.packs import de, gb, in_

PACKS = (*gb.MATCHERS, *de.MATCHERS, *in_.MATCHERS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("536-90-4399", ("SSN", "536-90-4399")),
        ("ssn=536-90-4399;", ("SSN", "536-90-4399")),
        ("536 90 4399", ("SSN", "536 90 4399")),
        ("536.90.4399", ("SSN", "536.90.4399")),
        ("social security number: 536904399", ("SSN", "536904399")),
        ('"ssn": "536904399"', ("SSN", "536904399")),
        ("SSN 536-904399", ("SSN", "536-904399")),
        ("SSN 53690-4399", ("SSN", "53690-4399")),
        ("911-70-1234", ("ITIN", "911-70-1234")),
        ("ITIN 911701234", ("ITIN", "911701234")),
    ],
)
def test_tax_numbers_are_found_whole(text: str, expected: tuple[str, str]) -> None:
    """With hyphens, spaces and dots; without, beside a word for them."""
    assert found(numbers.MATCHERS, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "000-12-3456, 666-12-3456, 536-00-4399, 536-90-0000",
        "ITIN 911-69-1234, 911-89-1234, 911-93-1234",
        "536904399",
        "SKU 536-90-4399",
        "part number 536-90-4399",
        "536-90-43990 1536-90-4399 a536-90-4399",
        "12 536 90 4399 17",
        "53690-4399",
        "[SSN] [ITIN]",
    ],
)
def test_other_numbers_are_no_tax_numbers(text: str) -> None:
    """Areas, groups and serials never issued, other things' numbers, parts of longer runs."""
    assert [kind for kind, _ in found(numbers.MATCHERS, text) if kind in ("SSN", "ITIN")] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NI AB 12 34 56 C.", ("NINO", "AB 12 34 56 C")),
        ("nino: tw987654a", ("NINO", "tw987654a")),
        ("943 476 5919", ("NHS_NUMBER", "943 476 5919")),
        ("NHS 9434765919", ("NHS_NUMBER", "9434765919")),
        ("86 095 742 719", ("TAX_ID", "86 095 742 719")),
        ("Steuer-ID: 47036892816", ("TAX_ID", "47036892816")),
        ("65 170839 J 003", ("PENSION_NUMBER", "65 170839 J 003")),
        ("65170839J003", ("PENSION_NUMBER", "65170839J003")),
        ("2341 2341 2346", ("AADHAAR", "2341 2341 2346")),
        ("aadhaar number 234123412346", ("AADHAAR", "234123412346")),
        ("ABBPM4567S", ("PAN", "ABBPM4567S")),
        ("pan abbpm4567s", ("PAN", "abbpm4567s")),
    ],
)
def test_packs_find_the_numbers_of_their_country(text: str, expected: tuple[str, str]) -> None:
    """Each by its form and check digits."""
    assert found(PACKS, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "GB 12 34 56 A, DA123456A, AB123456E, xAB123456C",
        "943 476 5918, 9434765919",
        "86 095 742 718, 86095742719, Steuer-ID 12345678903",
        "65 170839 J 004, 65 179939 J 003",
        "2341 2341 2347, 234123412346, aadhaar 134123412346",
        "ABBXM4567S, abbpm4567s, XABBPM4567S",
        "[NINO] [NHS_NUMBER] [TAX_ID] [PENSION_NUMBER] [AADHAAR] [PAN]",
    ],
)
def test_packs_leave_what_does_not_check(text: str) -> None:
    """Wrong forms and check digits, and bare digits without a word for them."""
    assert found(PACKS, text) == []


@given(
    texts(
        [
            "536-90-4399",
            "SSN ",
            "AB 12 34 56 C",
            "943 476 5919",
            "65 170839 J 003",
            "2341 2341 2346",
            "ABBPM4567S",
        ]
    )
)
def test_gates_hide_nothing_and_labels_are_not_found_again(text: str) -> None:
    """Whatever is found passes the cheap gates; what was replaced stays as it is."""
    for matchers in (numbers.MATCHERS, PACKS):
        found(matchers, text)
        assert all("[" not in value for _, value in found(matchers, replaced(matchers, text)))


@pytest.mark.parametrize("seed", ADVERSARIAL)
def test_repetitions_are_read_to_the_end(seed: str) -> None:
    """Long repetitions neither fail nor hide what stands behind them."""
    text = seed * (16_384 // len(seed)) + "\n; AB123456C; 536-90-4399"
    assert ("NINO", "AB123456C") in found(PACKS, text)
    assert found(numbers.MATCHERS, text)[-1] == ("SSN", "536-90-4399")
