"""Values for fuzz tests: whatever JSON can hold, the odd numbers and texts included."""

from __future__ import annotations

from hypothesis import strategies as st

ODD = [
    None,
    True,
    -1,
    0,
    1 << 63,
    1 << 64,
    10**30,
    1.0,
    1e308,
    "",
    "0" * 64,
    "g" * 64,
    "A" * 43 + "=",
    "\ud800",
    "log.open",
    "2026-11-21T10:00:00.000000Z",
    "2026-13-21T10:00:00.000000Z",
]

JSON = st.recursive(
    st.sampled_from(ODD)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
