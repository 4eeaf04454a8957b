"""Node paths are compared by parts, and names may hold any printable character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from domain.hierarchy import NODE_NAME_CHARS_MAX, NodePath, node_name_problem

names = st.text(min_size=1, max_size=20).map(str.strip).filter(lambda name: name and not node_name_problem(name))
paths = st.lists(names, max_size=4).map(lambda parts: NodePath(tuple(parts)))


@given(path=paths)
def test_a_path_reads_back_from_its_text(path: NodePath) -> None:
    assert NodePath.parse(str(path)) == path
    assert TypeAdapter(NodePath).validate_json(TypeAdapter(NodePath).dump_json(path)) == path


@given(a=paths, b=paths)
def test_different_paths_have_different_texts(a: NodePath, b: NodePath) -> None:
    assert (str(a) == str(b)) == (a == b)


def test_a_slash_in_a_name_is_no_border() -> None:
    path = NodePath(("R&D/Labs", "100%", "a", "b"))
    assert str(path) == "R&D%2FLabs/100%25/a/b"
    assert NodePath.parse("R&D%2FLabs").contains(path)


def test_books_does_not_take_in_bookshop() -> None:
    assert not NodePath(("Books",)).contains(NodePath(("Bookshop", "Web")))
    assert NodePath(("Books",)).contains(NodePath(("Books", "Web")))


@given(path=paths)
def test_the_organization_contains_everything_and_everything_contains_itself(path: NodePath) -> None:
    assert NodePath.ROOT.contains(path)
    assert path.contains(path)
    assert all(node.contains(path) for node in path.lineage())
    assert len(list(path.lineage())) == path.level


def test_a_node_knows_its_neighbours() -> None:
    path = NodePath(("a", "b", "c", "d"))
    assert (path.level, path.name, str(path.parent), str(path.portfolio)) == (4, "d", "a/b/c", "a/b/c")
    assert (NodePath.ROOT.level, NodePath.ROOT.name, str(NodePath.ROOT)) == (0, "/", "/")


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (("",), "E1 needs a name"),
        (("a", " b"), "E2 needs a name, without blanks around it"),
        (("a", "b", "c\nd"), "E3 has a control character or line break"),
        (("a", "b", "c", "d\x00"), "E4 has a control character"),
        (("x" * (NODE_NAME_CHARS_MAX + 1),), "E1 has a name of 101 characters; at most 100"),
        (("a", "b", "c", "d", "e"), "at most 4 parts"),
    ],
)
def test_wrong_names_are_refused_with_their_level(parts: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        NodePath(parts)


def test_a_name_may_be_as_long_as_the_limit() -> None:
    assert NodePath(("x" * NODE_NAME_CHARS_MAX,)).level == 1


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x9b", "\ud800", "\u2028", "\u2029"])
def test_what_steers_a_terminal_or_breaks_a_line_is_in_no_name(character: str) -> None:
    assert node_name_problem(f"a{character}b") == "has a control character or line break in its name"


@pytest.mark.parametrize("name", ["a\N{NO-BREAK SPACE}b", "a\N{ZERO WIDTH JOINER}b", "a\N{SOFT HYPHEN}b", "Käse 🧀"])
def test_what_is_only_not_printable_may_be_in_a_name(name: str) -> None:
    assert node_name_problem(name) is None
