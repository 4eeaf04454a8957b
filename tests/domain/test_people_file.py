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


PERSONAS = (
    "write one of financial_admin, vendor_manager, cloud_engineer, bu_owner, department_owner, portfolio_owner, "
    "product_owner, or leave the cell empty to add the person only"
)
HEADER = "row 1 is the header: email,name,persona,node"
ADDRESS = "write one such as ann@example.com"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ann,Ann,,", f"Row 3, email: 'ann' is not an e-mail address: {ADDRESS}."),
        (",Ann,,", f"Row 3, email: '' is missing: {ADDRESS}."),
        (
            "ann@example.com,A\x07nn,,",
            "Row 3, name: 'A\\x07nn' a name must be on one line, without control characters: "
            "write the name as others know it.",
        ),
        (
            f"ann@example.com,{'x' * 201},,",
            f"Row 3, name: '{'x' * 99}…' has 201 characters: at most 200 are kept.",
        ),
        ("ann@example.com,Ann,king,/", f"Row 3, persona: 'king' is not a persona: {PERSONAS}."),
        ("ann@example.com,Ann,,Retail", f"Row 3, persona: '' is missing, and a node is given: {PERSONAS}."),
        (
            "ann@example.com,Ann,product_owner,Retail",
            "Row 3, node: 'Retail' is not of the persona's level: product_owner: write the path of a node of level E4.",
        ),
        (
            "ann@example.com,Ann,vendor_manager,Retail",
            "Row 3, node: 'Retail' is not of the persona's level: vendor_manager: leave it empty, or write /.",
        ),
        (
            "ann@example.com,Ann,",
            "Row 3 has 3 cells, and the header has 4: put a cell that holds a comma in quotes.",
        ),
        (
            "BO@example.com,,,",
            "Row 3, email: 'BO@example.com' has the same person without a grant as row 2: "
            "leave one of the two lines out.",
        ),
        (
            "Bo@example.com,Bob,vendor_manager,",
            "Row 3, name: 'Bob' is another name than in row 2: give each person one name.",
        ),
    ],
)
def test_a_problem_is_told_in_a_sentence(line: str, told: str) -> None:
    assert [str(found) for found in problems(f"{HEAD}bo@example.com,Bo,,\n{line}\n")] == [told]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xef\xbb\xbf \n", ["The file is empty: it needs a header and a line for each person."]),
        (b"PK\x03\x04", ["The file is a workbook and not CSV: save it as CSV UTF-8."]),
        (b"\xff\xfe\x00", ["The file is UTF-16: save it as CSV UTF-8."]),
        (b"\xfe\xff\x00", ["The file is UTF-16: save it as CSV UTF-8."]),
        (b"email\n", [f"Row 1 lacks name, persona, node: {HEADER}."]),
        (
            b"email,name,persona,node,phone,,EMAIL\n",
            [
                f"Row 1, column E: 'phone' is not a column of a file of people: {HEADER}.",
                f"Row 1, column F: '' has no name: {HEADER}.",
                "Row 1, column G: 'EMAIL' is in column A already: keep one of the two columns.",
            ],
        ),
        (HEAD.encode() + b"\n,,,\n", ["The file has nobody below its header: it needs a line for each person."]),
        (
            HEAD.encode() + b"\xff@example.com,,,\n",
            ["Row 2 is not UTF-8 at byte 24 of the file (0xFF): save it as CSV UTF-8."],
        ),
        (b'"email,name\n', ["Row 1 has a quote in column A that is not closed"]),
    ],
)
def test_a_file_that_is_none_is_told_in_sentences(data: bytes, told: list[str]) -> None:
    read = read_people(data)
    assert read.lines == ()
    assert [str(found)[: len(start)] for found, start in zip(read.problems.kept, told, strict=True)] == told
    assert all(not found.value for found in read.problems.kept if not found.column)


def test_a_file_may_be_as_large_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "ann@example.com,Ann,,\n"
    monkeypatch.setattr("domain.people_file.PEOPLE_FILE_BYTES_MAX", len(text))
    assert problems(text) == []
    assert [str(found) for found in problems(text + "\n")] == [
        f"The file has {len(text) + 1} bytes; at most {len(text)} are allowed: split it."
    ]


def test_of_too_many_lines_the_first_that_is_too_many_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.people_file.ROWS_MAX", 2)
    read = read_people((HEAD + "a@b.io,,,\n\nc@d.io,,,\ne@f.io,,,\nx,,,\n").encode())
    assert [str(found) for found in read.problems.kept] == [
        "Row 5 is one more than 2 lines, the most in one file: split the file."
    ]
    assert [line.email for line in read.lines] == ["a@b.io", "c@d.io"]


def test_a_line_that_cannot_be_told_apart_is_shown_as_it_is() -> None:
    (short, stray) = problems(HEAD + 'a@b.io,"x, y"\nc@d.io,5" disk,,\n')
    assert (short.column, short.value) == ("", "a@b.io,x, y")
    assert (stray.column, stray.value) == ("", 'c@d.io,5" disk,,')
