"""Payment cards and IBANs: what is found and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redaction_cases import ADVERSARIAL, found, replaced, texts

from or_audit_logging.redaction import financial, numbers
from or_audit_logging.redaction.financial import iban_checks, luhn

MATCHERS = (*financial.MATCHERS, *numbers.MATCHERS)


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("4111111111111111.", "4111111111111111"),
        ("4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("4111-1111-1111-1111", "4111-1111-1111-1111"),
        ("4111.1111.1111.1111", "4111.1111.1111.1111"),
        ("4111  1111  1111  1111", "4111  1111  1111  1111"),
        ("card 4111 1111 1111 1111 12/27", "4111 1111 1111 1111"),
        ("3782 822463 10005", "3782 822463 10005"),
        ("378282246310005", "378282246310005"),
        ("3056 930902 5904", "3056 930902 5904"),
        ("30569309025904", "30569309025904"),
        ("4131034282458809939 ", "4131034282458809939"),
        ("2223003122003222", "2223003122003222"),
        ("6011000990139424", "6011000990139424"),
        ("3530111333300000", "3530111333300000"),
        ("180051662803027", "180051662803027"),
        ("Order #4532015112830366-001", "4532015112830366"),
        ("card_number=676222165679", "676222165679"),
        ('"pan":"4222222222222"', "4222222222222"),
        ("paid\\n4111111111111111", "4111111111111111"),
    ],
)
def test_cards_are_found_whole(text: str, card: str) -> None:
    """By issuer, length and check digit, in the groups that are printed on them."""
    assert ("CARD", card) in found(numbers.MATCHERS, text)


@pytest.mark.parametrize(
    "text",
    [
        "1234 5678 9012 3456",
        "4111 1111 1111 1112",
        "trace_id=1234567890123456",
        "0.4111111111111111",
        "14111111111111111111",
        "x4111111111111111",
        "4111111111111111e",
        "550e8400-e29b-41d4-a716-411111111111",
        "1718900000123456 1718900000123456789",
        "676222165679",
        "9784111111111111",
        "20260102030405",
        "[CARD]",
    ],
)
def test_other_numbers_are_no_cards(text: str) -> None:
    """Wrong check digits, unissued ranges, decimals, times and parts of longer runs."""
    assert [kind for kind, _ in found(numbers.MATCHERS, text) if kind == "CARD"] == []


@pytest.mark.parametrize(
    ("text", "iban"),
    [
        ("DE89370400440532013000", "DE89370400440532013000"),
        ("IBAN: DE89 3704 0044 0532 0130 00, BIC", "DE89 3704 0044 0532 0130 00"),
        ("de89 3704 0044 0532 0130 00", "de89 3704 0044 0532 0130 00"),
        ("DE89-3704-0044-0532-0130-00", "DE89-3704-0044-0532-0130-00"),
        ("to NO9386011117947 today", "NO9386011117947"),
        ("GB82 WEST 1234 5698 7654 32 or", "GB82 WEST 1234 5698 7654 32"),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S.", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
        ("FR14 2004 1010 0505 0001 3M02 606", "FR14 2004 1010 0505 0001 3M02 606"),
    ],
)
def test_ibans_are_found_whole(text: str, iban: str) -> None:
    """In upper and lower case, together and in groups."""
    assert ("IBAN", iban) in found(financial.MATCHERS, text)


@pytest.mark.parametrize(
    "text",
    [
        "DE89 3704 0044 0532 0130 01",
        "XX89370400440532013000",
        "DE8937040044053201300",
        "DE893704004405320130001",
        "aDE89370400440532013000",
        "DE89  3704 0044 0532 0130 00",
        "DE89",
        "[IBAN]",
    ],
)
def test_what_does_not_check_is_no_iban(text: str) -> None:
    """Wrong check digits, countries and lengths; glued letters."""
    assert found(financial.MATCHERS, text) == []


@given(st.text("0123456789", min_size=11, max_size=18))
def test_luhn_finds_every_changed_digit(digits: str) -> None:
    """One of ten last digits checks, and none does once a digit is another."""
    good = [digits + check for check in "0123456789" if luhn(digits + check)]
    assert len(good) == 1
    for place, digit in enumerate(good[0]):
        other = good[0][:place] + str((int(digit) + 1) % 10) + good[0][place + 1 :]
        assert not luhn(other)


@given(st.text("0123456789ABCXYZ", min_size=11, max_size=30))
def test_iban_check_finds_every_changed_digit(account: str) -> None:
    """The check digits of ISO 13616, computed for any account."""
    remainder = int("".join(str(int(c, 36)) for c in account + "DE00")) % 97
    iban = f"DE{98 - remainder:02}{account}"
    assert iban_checks(iban)
    for place, char in enumerate(iban[4:], 4):
        if char.isdigit():
            assert not iban_checks(f"{iban[:place]}{(int(char) + 1) % 10}{iban[place + 1 :]}")


@given(
    texts(["4111 1111 1111 1111", "378282246310005", "DE89 3704 0044 0532 0130 00", "NO93", "4111", " 1111"])
)
def test_gates_hide_nothing_and_labels_are_not_found_again(text: str) -> None:
    """Whatever is found passes the cheap gates; what was replaced stays as it is."""
    found(MATCHERS, text)
    assert all("[" not in value for _, value in found(MATCHERS, replaced(MATCHERS, text)))


@pytest.mark.parametrize("seed", ADVERSARIAL)
def test_repetitions_are_read_to_the_end(seed: str) -> None:
    """Long repetitions neither fail nor hide what stands behind them."""
    text = seed * (16_384 // len(seed)) + "\n; 4111-1111-1111-1111; DE89370400440532013000"
    values = [value for _, value in found(MATCHERS, text)]
    assert values[-2:] == ["4111-1111-1111-1111", "DE89370400440532013000"]
