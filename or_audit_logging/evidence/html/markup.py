"""HTML and SVG as values: the one place where text becomes markup.

    tag("p", "a < b", tag("bdi", name), class_="note").render()
        -> '<p class="note">a &lt; b<bdi>...</bdi></p>'

There is no way to hand in finished markup. A string is text and gets escaped; tags and attributes come from
short lists, without `script`, `style` attributes, event handlers or anything that loads; a link leads to a
place on the same page. Whatever a name in a log says, it stays a name.
"""

from __future__ import annotations

from dataclasses import dataclass

_PAGE = "html head meta title style body header main section footer h1 h2 h3 p div span a code bdi dl dt dd"
_DATA = "ul li details summary table caption thead tbody tfoot tr th td"
_CHART = "figure figcaption svg g desc rect line path text"
_TAGS = frozenset(f"{_PAGE} {_DATA} {_CHART}".split())
_PLAIN = "lang charset name content http-equiv class id href role scope tabindex"
_ARIA = "aria-label aria-labelledby aria-hidden"
_DRAWN = "viewBox preserveAspectRatio vector-effect x y x1 x2 y1 y2 rx dy d width height text-anchor"
_ATTRIBUTES = frozenset(f"{_PLAIN} {_ARIA} {_DRAWN}".split())
_VOID = frozenset(["meta"])
_CLOSED = frozenset(["rect", "line", "path"])
"""Elements of SVG that hold nothing here and may end where they begin."""
_AS_IT_IS = frozenset(["style"])
"""Elements whose text HTML does not decode: it can't be escaped, only refused."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element with attributes and children, in the order written. Made by `tag`."""

    name: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Element | str, ...]

    def render(self) -> str:
        """Return the element as HTML."""
        parts: list[str] = []
        self._write(parts)
        return "".join(parts)

    def _write(self, parts: list[str]) -> None:
        said = "".join(f' {name}="{_escaped(value)}"' for name, value in self.attributes)
        if self.name in _CLOSED and not self.children:
            parts.append(f"<{self.name}{said}/>")
            return
        parts.append(f"<{self.name}{said}>")
        if self.name in _VOID:
            return
        for child in self.children:
            if isinstance(child, Element):
                child._write(parts)
            else:
                parts.append(child if self.name in _AS_IT_IS else _escaped(child))
        parts.append(f"</{self.name}>")


Child = Element | str | None
"""What an element holds: elements, text, and None for what is left out."""


def tag(element: str, /, *children: Child, **attributes: str | int | None) -> Element:
    """Return an element; `class_` stands for class, `aria_label` for aria-label; None leaves out.

    Raises ValueError for a tag or an attribute that the page has no use for, for a link that leads elsewhere,
    and for the text of a `style` that would end it.
    """
    if element not in _TAGS:
        raise ValueError(f"no tag of these pages: {element!r}")
    pairs = tuple((_attribute(key), str(value)) for key, value in attributes.items() if value is not None)
    for key, value in pairs:
        if key not in _ATTRIBUTES:
            raise ValueError(f"no attribute of these pages: {key!r}")
        if key == "href" and not value.startswith("#"):
            raise ValueError("a link leads to a place on the same page")
    held = tuple(child for child in children if child is not None)
    if element in _AS_IT_IS and any(isinstance(child, Element) or "<" in child for child in held):
        raise ValueError(f"{element} holds text without '<'")
    if element in _VOID and held:
        raise ValueError(f"{element} holds nothing")
    return Element(element, pairs, held)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def visible(text: str) -> str:
    """Return *text* with every character that shows nothing, or moves what is shown, spelled as [U+202E].

    These are controls, directional overrides, zero-width characters, lone surrogates, spaces other than the
    common one, and what Unicode has not assigned: two names that differ in one of them look different here.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"[U+{ord(char):04X}]" for char in text)


def shortened(text: str, limit: int) -> str:
    """Return *text* in at most *limit* characters (4 or more), its middle left out where it is longer."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"


def _escaped(text: str) -> str:
    """Return *text* as it stands between tags or between double quotes; newlines stay."""
    lines = (visible(line) for line in text.split("\n"))
    return (
        "\n".join(lines)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
    )
