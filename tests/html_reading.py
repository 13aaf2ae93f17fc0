"""A page read back strictly: a tree of elements, every tag closed by its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset(["meta"])


@dataclass
class Node:
    """An element with what it holds, in order."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    held: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside."""
        return "".join(part if isinstance(part, str) else part.text for part in self.held)

    def walk(self) -> Iterator[Node]:
        """Yield the element and all inside it, in the order of the page."""
        yield self
        for part in self.held:
            if isinstance(part, Node):
                yield from part.walk()

    def all(self, name: str) -> list[Node]:
        """Return all elements of a name inside."""
        return [node for node in self.walk() if node is not self and node.name == name]

    def own(self, name: str) -> list[Node]:
        """Return the elements of a name directly inside."""
        return [part for part in self.held if isinstance(part, Node) and part.name == name]

    def id(self, wanted: str) -> Node:
        """Return the element with an id."""
        return next(node for node in self.walk() if node.attributes.get("id") == wanted)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("page")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {tag} {attrs}"
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].held.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> where {self.open[-1].name} is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].held.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data!r}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data!r}")


def read_page(markup: str) -> Node:
    """Return the page as a tree; AssertionError where its tags do not nest."""
    builder = _Builder()
    builder.feed(markup)
    builder.close()
    assert builder.open == [builder.root], f"left open: {[node.name for node in builder.open]}"
    return builder.root


def rows(table: Node) -> list[list[str]]:
    """Return the text of a table's body, row by row."""
    return [
        [cell.text for cell in row.walk() if cell.name in ("th", "td")]
        for row in table.all("tbody")[0].all("tr")
    ]
