"""Amounts and the BYOK rule: the provider's own digits, unknown is None."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.pricing import all_in_cost, from_pico, pico, usd


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (8.41005e-05, "0.0000841005"),
        (0.00042, "0.00042"),
        (0, "0"),
        (3, "3"),
        (-0.25, "-0.25"),
        ("0.00042", "0.00042"),
        ("1e-5", "0.00001"),
        (Decimal("0.10"), "0.10"),
    ],
)
def test_an_amount_keeps_its_digits(value: object, expected: str) -> None:
    """Floats, integers, numeric text and Decimals are taken with the digits of the wire."""
    amount = usd(value)
    assert amount is not None
    assert format(amount, "f") == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "",
        "free",
        "1_0",
        " 1",
        "\u0661",
        "NaN",
        [],
        {},
        object(),
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("Infinity"),
        1e31,
        1e-31,
        "1e999999999",
        10**31,
        pytest.param(10**5000, id="huge"),
        pytest.param("1" * 100_000, id="long"),
        Decimal("1." + "0" * 100),
    ],
)
def test_what_states_no_price_is_unknown(value: object) -> None:
    """Booleans, words, infinities and exponents beyond 30 are None, and never zero."""
    assert usd(value) is None


@given(st.floats(min_value=0, max_value=1e6))
def test_a_float_has_the_digits_of_its_json(value: float) -> None:
    """What an SDK parsed to a float gives the same amount as the JSON text, digit for digit."""
    if value >= 1e-30 or value == 0:
        assert usd(value) == usd(json.dumps(value))


def test_an_ordinary_call_costs_what_openrouter_charges() -> None:
    """Upstream cost is contained in the charge of a call that is not BYOK."""
    price = Decimal("0.00042")
    assert all_in_cost(cost=price, upstream=price, is_byok=False) == price
    assert all_in_cost(cost=price, upstream=price, is_byok=None) == price


def test_a_byok_call_costs_the_fee_and_the_provider() -> None:
    """With the customer's own key both are paid."""
    fee, upstream = Decimal("0.00021"), Decimal("0.0042")
    assert all_in_cost(cost=fee, upstream=upstream, is_byok=True) == Decimal("0.00441")


def test_an_unknown_part_makes_the_whole_unknown() -> None:
    """Neither a missing charge nor a missing provider's bill counts as zero."""
    assert all_in_cost(cost=None, upstream=Decimal(1), is_byok=False) is None
    assert all_in_cost(cost=Decimal(0), upstream=None, is_byok=True) is None


def test_a_refund_is_subtracted() -> None:
    """A negative upstream amount is a refund and stays negative."""
    assert all_in_cost(cost=Decimal(0), upstream=Decimal("-0.5"), is_byok=True) == Decimal("-0.5")


def test_the_sum_is_exact_beyond_28_digits() -> None:
    """The default decimal context would round such a sum."""
    cost, upstream = Decimal("1" + "0" * 25), Decimal("0." + "0" * 19 + "1")
    total = all_in_cost(cost=cost, upstream=upstream, is_byok=True)
    assert total is not None
    assert format(total, "f") == "1" + "0" * 25 + "." + "0" * 19 + "1"


@pytest.mark.parametrize(
    ("amount", "units"),
    [("8.41005e-05", 84_100_500), ("0", 0), ("-0.5", -(5 * 10**11)), ("0.0000000000005", 0), ("1.5e-12", 2)],
)
def test_an_amount_in_units_of_a_pico_dollar(amount: str, units: int) -> None:
    """Exact, but for what is finer still."""
    assert pico(Decimal(amount)) == units


@given(st.lists(st.decimals(min_value="-1", max_value="1000", places=12), max_size=40))
def test_sums_in_pico_are_those_of_the_decimals(amounts: list[Decimal]) -> None:
    """Whatever the amounts; and back."""
    assert from_pico(sum(map(pico, amounts))) == sum(amounts)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
def test_pico_is_within_half_a_unit(value: float) -> None:
    """What is finer than 1e-12 is rounded."""
    amount = usd(value)
    if amount is not None:
        assert abs(Decimal(pico(amount)) - amount * 10**12) <= Decimal("0.5")
