"""The hierarchy: E1 Business Unit › E2 Department › E3 Portfolio › E4 Product."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

from domain.model import TEXTS_REMEMBERED_MAX, TextValue

PRODUCT_LEVEL = 4
PORTFOLIO_LEVEL = 3
LEVELS = ("E1", "E2", "E3", "E4")
DEFAULT_LABELS = ("Business Unit", "Department", "Portfolio", "Product")
NODE_NAME_CHARS_MAX = 100
_ESCAPES = (("%", "%25"), ("/", "%2F"))


@dataclass(frozen=True, slots=True, order=True)
class NodePath(TextValue):
    """Where a node stands: its names from E1 down. The empty path is the organization itself, written `/`.

    Paths are compared by parts, never as text, so `Books` does not take in `Bookshop`. Names may hold any printable
    character; in the text form `/` inside a name is written `%2F` and `%` is written `%25`.
    """

    parts: tuple[str, ...]
    ROOT: ClassVar[NodePath]

    def __post_init__(self) -> None:
        if len(self.parts) > PRODUCT_LEVEL:
            raise ValueError(f"a path has at most {PRODUCT_LEVEL} parts; write / inside a name as %2F")
        for level, name in zip(LEVELS, self.parts, strict=False):
            if problem := node_name_problem(name):
                raise ValueError(f"{level} {problem}")

    @classmethod
    def parse(cls, text: str) -> Self:
        if text == "/":
            return cls(())
        return cls(tuple(_unescape(part) for part in text.split("/")))

    @property
    def level(self) -> int:
        """0 for the organization, 1 for E1 … 4 for a product."""
        return len(self.parts)

    @property
    def name(self) -> str:
        return self.parts[-1] if self.parts else "/"

    @property
    def parent(self) -> NodePath:
        return NodePath(self.parts[:-1])

    @property
    def portfolio(self) -> NodePath:
        return NodePath(self.parts[:PORTFOLIO_LEVEL])

    def lineage(self) -> Iterator[NodePath]:
        """The E1 node above it, … and the node itself."""
        for level in range(1, self.level + 1):
            yield NodePath(self.parts[:level])

    def contains(self, other: NodePath) -> bool:
        """Whether the other is this node or stands below it."""
        return other.parts[: self.level] == self.parts

    def __str__(self) -> str:
        return _joined(self.parts)


NodePath.ROOT = NodePath(())


def node_name_problem(name: str) -> str | None:
    """What is wrong with a node's name, or None."""
    if not name or name != name.strip():
        return "needs a name, without blanks around it"
    if len(name) > NODE_NAME_CHARS_MAX:
        return f"has a name of {len(name)} characters; at most {NODE_NAME_CHARS_MAX} are allowed"
    # Nearly every name is printable, which is told at once.
    if not name.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name
    ):
        return "has a control character or line break in its name"
    return None


@lru_cache(TEXTS_REMEMBERED_MAX)
def _joined(parts: tuple[str, ...]) -> str:
    return "/".join(_escape(part) for part in parts) or "/"


def _escape(part: str) -> str:
    for plain, escaped in _ESCAPES:
        part = part.replace(plain, escaped)
    return part


def _unescape(part: str) -> str:
    for plain, escaped in reversed(_ESCAPES):
        part = part.replace(escaped, plain)
    return part
