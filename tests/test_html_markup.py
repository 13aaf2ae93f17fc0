"""Elements: what is escaped, what is refused."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.evidence.html.markup import shortened, tag, visible

ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("<>&\"'/=\u202e\x00\ud800\n`"), max_size=60)


class _Reader(HTMLParser):
    """What a browser would make of a fragment: tags with attributes, and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> _Reader:
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(ANY_TEXT)
def test_any_text_comes_back_as_text(text: str) -> None:
    """Between tags, text is read back as it was, but for what does not show; no tag comes out of it."""
    reader = read(tag("p", text).render())
    assert [name for name, _ in reader.tags] == ["p"]
    assert reader.text == "\n".join(visible(line) for line in text.split("\n"))


@given(ANY_TEXT)
def test_any_text_is_an_attribute(text: str) -> None:
    """Between quotes, text is the attribute's value and makes no other."""
    reader = read(tag("p", aria_label=text).render())
    assert reader.tags == [("p", {"aria-label": "\n".join(visible(line) for line in text.split("\n"))})]


@given(ANY_TEXT)
def test_what_is_rendered_can_be_written(text: str) -> None:
    """Every text ends up encodable and printable: no lone surrogate, no control, no override of direction."""
    rendered = tag("p", text, aria_label=text).render()
    assert rendered.encode()
    assert rendered.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gpt\u202e4", "gpt[U+202E]4"),
        ("a\x00b", "a[U+0000]b"),
        ("\ud800", "[U+D800]"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("no\xa0break", "no[U+00A0]break"),
        ("a\nb", "a[U+000A]b"),
        ("plain name/é-ß 日本", "plain name/é-ß 日本"),
    ],
)
def test_what_does_not_show_is_spelled_out(text: str, shown: str) -> None:
    """Characters that do not show, or that move others, are written as their code point."""
    assert visible(text) == shown


@given(ANY_TEXT, st.integers(4, 80))
def test_shortened_keeps_its_limit(text: str, limit: int) -> None:
    """What is shortened is never longer than asked for, and what fits is not touched."""
    short = shortened(text, limit)
    assert len(short) <= limit
    assert short == text or len(text) > limit


@pytest.mark.parametrize("name", ["script", "img", "iframe", "link", "object", "a onclick", "foreignObject"])
def test_tags_that_load_or_run_are_refused(name: str) -> None:
    """There is no element for what the page must not have."""
    with pytest.raises(ValueError, match="no tag"):
        tag(name)


@pytest.mark.parametrize("name", ["onclick", "onload", "style", "src", "srcset", "action", "x=1 onload"])
def test_attributes_that_load_or_run_are_refused(name: str) -> None:
    """There is no attribute for what the page must not have."""
    with pytest.raises(ValueError, match="no attribute"):
        tag("p", **{name: "1"})


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://example.com/", "//example.com", "", " #a"])
def test_links_stay_on_the_page(link: str) -> None:
    """A link leads to a fragment or is refused."""
    with pytest.raises(ValueError, match="same page"):
        tag("a", "here", href=link)


def test_a_style_sheet_cannot_end_itself() -> None:
    """The text of `style` is not escaped; what could end it is refused."""
    with pytest.raises(ValueError, match="'<'"):
        tag("style", "p{}</style>")
    assert tag("style", "a>b{}").render() == "<style>a>b{}</style>"


def test_a_void_element_holds_nothing() -> None:
    """`meta` has no end tag, so it cannot have children."""
    with pytest.raises(ValueError, match="holds nothing"):
        tag("meta", "x")
