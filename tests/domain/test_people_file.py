"""A file of people, line by line: what is read, and what is told of what cannot be."""

from __future__ import annotations

import pytest

from domain.budget_file_problem import Problem
from domain.decision import Grant, Persona
from domain.hierarchy import NodePath
from domain.people_file import PEOPLE_FILE_BYTES_MAX, PersonLine, read_people
from domain.people_import import ROWS_MAX

HEAD = "email,name,persona,node\n"
PORTFOLIO = Grant(Persona.PORTFOLIO_OWNER, NodePath(("Retail", "Digital", "Web")))


def problems(text: str | bytes) -> list[Problem]:
    data = text if isinstance(text, bytes) else text.encode()
    return read_people(data).problems.kept


def test_a_person_may_have_several_lines_and_a_line_need_not_grant_anything() -> None:
    lines, found = read_people(
        (
            "\ufeff" + HEAD + "ann@example.com,Ann Lee,Portfolio_Owner,Retail/Digital/Web\n\n"
            "ann@example.com,,financial_admin,\r\n"
            '"bo@example.com","Bo, the ""B""",,\n'
        ).encode()
    )
    assert found.kept == []
    assert lines == (
        PersonLine(2, "ann@example.com", "Ann Lee", PORTFOLIO),
        PersonLine(4, "ann@example.com", "", Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT)),
        PersonLine(5, "bo@example.com", 'Bo, the "B"', None),
    )


def test_columns_may_stand_in_any_order() -> None:
    lines, _ = read_people(b"Node,PERSONA,email,name\nRetail/Digital/Web,portfolio_owner,ann@example.com,Ann\n")
    assert lines == (PersonLine(2, "ann@example.com", "Ann", PORTFOLIO),)


@pytest.mark.parametrize(
    ("line", "column", "problem", "remedy"),
    [
        ("ann,Ann,,", "email", "is not an e-mail address", "ann@example.com"),
        (",Ann,,", "email", "is missing", "ann@example.com"),
        ("ann@example.com,A\x07nn,,", "name", "control characters", "as others know it"),
        (f"ann@example.com,{'x' * 201},,", "name", "has 201 characters", "at most 200"),
        ("ann@example.com,Ann,king,/", "persona", "is not a persona", "financial_admin"),
        ("ann@example.com,Ann,,Retail", "persona", "is missing", "leave the cell empty"),
        ("ann@example.com,Ann,bu_owner,Retail//Web", "node", "is not a path", "Retail/Digital/Web/Checkout"),
        ("ann@example.com,Ann,product_owner,Retail", "node", "is not of the persona's level", "level E4"),
        ("ann@example.com,Ann,bu_owner,", "node", "is not of the persona's level", "level E1"),
        ("ann@example.com,Ann,", "", "has 3 cells, and the header has 4", "in quotes"),
        ('ann@example.com,"Ann,,', "", "not closed", "quotes"),
    ],
)
def test_a_bad_line_is_told_with_what_would_be_right(line: str, column: str, problem: str, remedy: str) -> None:
    (found,) = problems(f"{HEAD}bo@example.com,Bo,,\n{line}\n")
    assert (found.row, found.column) == (3, column)
    assert problem in found.problem
    assert remedy in found.remedy


def test_lines_that_contradict_or_repeat_one_another_are_told() -> None:
    text = HEAD + "ann@example.com,Ann,vendor_manager,\nANN@example.com,Ann,vendor_manager,/\nann@example.com,Anna,,\n"
    repeated, renamed = problems(text)
    assert (repeated.row, repeated.column, repeated.problem) == (3, "email", "has the same grant as row 2")
    assert (renamed.row, renamed.column, renamed.problem) == (4, "name", "is another name than in row 2")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04", "is a workbook"),
        (b"\xff\xfee\x00", "is UTF-16"),
        (b"email,name,persona\nann@example.com,Ann,\n", "lacks node"),
        (b"email,name,persona,node,phone\n", "is not a column"),
        (b"email,name,persona,node,email\n", "is in column A already"),
        (b"email,name,persona,node\n", "has nobody below its header"),
        (b"email,name,persona,node\n\xff@example.com,,,\n", "is not UTF-8 at byte 24"),
        (b"x" * (PEOPLE_FILE_BYTES_MAX + 1), "at most 10,000,000"),
    ],
)
def test_a_file_that_is_none_is_told(data: bytes, problem: str) -> None:
    assert any(problem in str(found) for found in problems(data))


def test_a_file_has_so_many_lines_and_not_one_more() -> None:
    full = HEAD + "".join(f"p{n}@example.com,,,\n" for n in range(ROWS_MAX))
    lines, found = read_people(full.encode())
    assert (len(lines), found.count) == (ROWS_MAX, 0)
    (problem,) = problems(full + "more@example.com,,,\n")
    assert (problem.row, problem.problem) == (ROWS_MAX + 2, "is one more than 10,000 lines, the most in one file")


def test_the_first_thousand_problems_are_kept_and_all_are_counted() -> None:
    found = read_people((HEAD + "x,,,\n" * 1_500).encode()).problems
    assert (len(found.kept), found.count) == (1_000, 1_500)
