"""Node paths and their text form, remembered: every event of a product writes and reads the same few texts."""

from __future__ import annotations

from functools import lru_cache

from domain.hierarchy import NodePath

PATHS_REMEMBERED_MAX = 100_000


@lru_cache(PATHS_REMEMBERED_MAX)
def path_text(path: NodePath) -> str:
    return str(path)


@lru_cache(PATHS_REMEMBERED_MAX)
def text_path(text: str) -> NodePath:
    return NodePath.parse(text)


@lru_cache(PATHS_REMEMBERED_MAX)
def lineage(product: str) -> tuple[str, ...]:
    """The paths of a product and all above it, the organization first. A `/` inside a name is escaped in the text."""
    parts = product.split("/")
    return ("/", *("/".join(parts[:level]) for level in range(1, len(parts) + 1)))


@lru_cache(PATHS_REMEMBERED_MAX)
def above(path: str) -> str | None:
    """The path of the node above; None for the organization."""
    return None if path == "/" else path.rpartition("/")[0] or "/"
