"""What a call cost, in USD, exact: the provider's own figure, never a price table.

    usd(8.41005e-05)                                                   -> Decimal('8.41005E-05')
    all_in_cost(cost=Decimal(0), upstream=Decimal("0.0042"), is_byok=True)   -> Decimal('0.0042')
    pico(Decimal("8.41005E-05"))                                             -> 84100500

OpenRouter reports `cost`, what it charges, and `upstream_inference_cost`, what the provider charges. With
the customer's own provider key (BYOK) both are paid; otherwise the second is contained in the first, and
adding it would double the bill. Unknown is None, never zero.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

MAX_EXPONENT = 30
"""Amounts with an exponent beyond this, either way, are no prices."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,64}(?:\.[0-9]{0,64})?(?:[eE][+-]?[0-9]{1,3})?")
_EXACT = Context(prec=128)
_INT_LIMIT = 10 ** (MAX_EXPONENT + 1)


def usd(value: object) -> Decimal | None:
    """Return the amount that *value* states, with its own digits, or None where it states none.

    Numbers and numeric text count; a float by its shortest digits (`repr`), which are those of the JSON it
    was read from. Booleans, NaN, infinities and exponents beyond 30 either way do not. Negative amounts are
    refunds.
    """
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        amount = value
    elif isinstance(value, float):
        amount = Decimal(float.__repr__(value))
        return amount if amount.is_finite() and abs(amount.adjusted()) <= MAX_EXPONENT else None
    elif isinstance(value, int) and -_INT_LIMIT < value < _INT_LIMIT:
        amount = Decimal(int(value))
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        amount = Decimal(value)
    else:
        return None
    return amount if _is_price(amount) else None


def all_in_cost(*, cost: Decimal | None, upstream: Decimal | None, is_byok: bool | None) -> Decimal | None:
    """Return OpenRouter's charge, plus the provider's where the customer's own key was used.

    None where a part that counts is unknown: the charge itself, or for BYOK the provider's.
    """
    if cost is None or not is_byok:
        return cost
    if upstream is None:
        return None
    total = _EXACT.add(cost, upstream)
    return total if _is_price(total) else None


def pico(amount: Decimal) -> int:
    """Return *amount* in whole units of 1e-12 USD, in which sums are exact.

    What is finer still is rounded half to even; no published price is.
    """
    return int(amount.scaleb(12, _EXACT).to_integral_value(ROUND_HALF_EVEN))


def from_pico(units: int) -> Decimal:
    """Return *units* of 1e-12 USD as an amount, with no zeros at its end."""
    amount = Decimal(units).scaleb(-12, _EXACT)
    return amount.normalize(_EXACT) if units else Decimal(0)


def _is_price(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return (
        isinstance(exponent, int) and exponent >= -2 * MAX_EXPONENT and abs(amount.adjusted()) <= MAX_EXPONENT
    )
