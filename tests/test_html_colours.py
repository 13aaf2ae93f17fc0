"""Colours as people see them: contrast (WCAG 2.2), and charts for those who lack one kind of cone."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from or_audit_logging.evidence.html.style import COLOURS, SERIES, STYLE

THEMES = sorted(COLOURS)
TEXT = [
    ("ink", "paper"),
    ("ink", "card"),
    ("soft", "paper"),
    ("soft", "card"),
    ("link", "card"),
    ("link", "paper"),
]
TEXT += [(name, "card") for name in ("good", "warn", "bad")]
TEXT += [("ink", "hover"), ("soft", "hover"), ("link", "hover")]

Colour = tuple[float, float, float]

LACKING: dict[str, tuple[Colour, Colour, Colour]] = {
    "nothing": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""Machado, Oliveira, Fernandes 2009, severity 1: linear RGB as seen without one kind of cone."""


def linear(colour: str) -> Colour:
    """Return a colour's linear RGB."""
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours as WCAG defines it."""
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other))]
    return (max(light) + 0.05) / (min(light) + 0.05)


def oklab(colour: Colour) -> Colour:
    """Return linear RGB in a space where distance is difference to the eye (Ottosson 2020)."""
    r, g, b = colour
    cones = (
        0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
        0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
        0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b,
    )
    long, medium, short = (math.copysign(abs(cone) ** (1 / 3), cone) for cone in cones)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def seen(colour: str, lacking: str) -> Colour:
    """Return a colour as it is seen."""
    red, green, blue = (
        sum(weight * part for weight, part in zip(row, linear(colour), strict=True))
        for row in LACKING[lacking]
    )
    return oklab((red, green, blue))


def test_black_on_white() -> None:
    """The measure itself is right at its ends."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read(theme: str, text: str, ground: str) -> None:
    """Text has a contrast of 4.5 or more on everything it stands on (1.4.3, AA)."""
    assert contrast(COLOURS[theme][text], COLOURS[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("number", range(SERIES))
def test_marks_can_be_seen(theme: str, number: int) -> None:
    """Every colour of a chart has a contrast of 3 or more to the card (1.4.11)."""
    assert contrast(COLOURS[theme][f"s{number}"], COLOURS[theme]["card"]) >= 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("lacking", LACKING)
def test_series_can_be_told_apart(theme: str, lacking: str) -> None:
    """Any two colours of a chart differ clearly (0.1 in Oklab; 0.02 is just noticeable), to every eye."""
    colours = [COLOURS[theme][f"s{number}"] for number in range(SERIES)]
    for one, other in itertools.combinations(colours, 2):
        assert math.dist(seen(one, lacking), seen(other, lacking)) >= 0.1, (one, other)


def test_the_style_sheet_names_no_other_colours() -> None:
    """What was measured is what is used: a colour outside the themes is white paper or the rule on it."""
    used = set(re.findall(r"#[0-9a-f]{3,8}\b", STYLE))
    assert used - {colour for theme in COLOURS.values() for colour in theme.values()} == {"#fff", "#b9bec6"}


def test_the_style_sheet_loads_nothing() -> None:
    """No import, no address, no font file; braces pair up."""
    assert not re.search(r"@import|@font-face|url\(|https?:|//", STYLE)
    assert STYLE.count("{") == STYLE.count("}")


def test_every_variable_has_a_value() -> None:
    """The rules use the variables that the themes define, and both themes define the same."""
    assert set(COLOURS["light"]) == set(COLOURS["dark"])
    assert set(re.findall(r"var\(--(\w+)\)", STYLE)) <= set(COLOURS["light"])
