"""Whatever is written into a budget file comes back, and damage never goes unseen."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.budget import BudgetRow
from domain.budget_file import ParsedBudget, parse_budget
from domain.budget_file_problem import InvalidBudget
from domain.decision import Organization
from domain.hierarchy import NodePath, node_name_problem
from domain.money import total
from domain.process import LoadTerms

MONTHS = Organization().calendar.months(2026)
LABELS = ("Business Unit", "Department", "Portfolio", "Product")
TERMS = LoadTerms(customer="Acme", fiscal_year=2026, is_new=True, effective_on="2026-01-01", is_override=False)


def read(data: bytes) -> ParsedBudget | InvalidBudget:
    return parse_budget(data, TERMS, Organization())


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda name: node_name_problem(name) is None
)
cents = st.integers(0, 10**10)


@st.composite
def tables(draw: st.DrawFn, *, with_annual: bool = False) -> list[BudgetRow]:
    paths = draw(st.lists(st.tuples(names, names, names, names), min_size=1, max_size=6, unique=True))
    with_months = with_annual or draw(st.booleans())
    rows = []
    for number, path in enumerate(paths):
        amounts = [Decimal(draw(cents)).scaleb(-2) for _ in MONTHS]
        rows.append(
            BudgetRow(
                product=NodePath(path),
                annual=total(amounts),
                estimated=draw(st.none() | cents.map(lambda units: Decimal(units).scaleb(-2))),
                code=draw(st.sampled_from(["", f"C-{number}", f'{number}, "x"'])),
                owner=draw(st.sampled_from(["", "ann@example.com", "bob@example.org"])),
                proposal=dict(zip(MONTHS, amounts, strict=True)) if with_months else {},
            )
        )
    return rows


def written(rows: Sequence[BudgetRow], terminator: str = "\r\n") -> bytes:
    """As Python's own writer does it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=terminator)
    months = MONTHS if rows[0].proposal else ()
    writer.writerow([*LABELS, "Annual", *map(str, months), "Estimated", "Code", "Owner"])
    for row in rows:
        estimated = "" if row.estimated is None else f"{row.estimated:,.2f}"
        amounts = [f"{row.proposal[month]:.2f}" for month in months]
        writer.writerow([*row.product.parts, f"{row.annual:,.2f}", *amounts, estimated, row.code, row.owner])
    return out.getvalue().encode()


@given(rows=tables(), terminator=st.sampled_from(["\n", "\r\n"]))
def test_every_table_comes_back_as_it_was(rows: list[BudgetRow], terminator: str) -> None:
    parsed = read(written(rows, terminator))
    assert isinstance(parsed, ParsedBudget)
    assert parsed.rows == tuple(rows)
    assert parsed.total == total([row.annual for row in rows])


@given(rows=tables(with_annual=True), data=st.data())
def test_no_damaged_byte_changes_an_amount_unseen(rows: list[BudgetRow], data: st.DataObject) -> None:
    """With both the year and its months in the file, an amount has a second witness."""
    content = bytearray(written(rows))
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255) | st.sampled_from(list(b'",\r\n .-0;')))
    assume(content[at] != byte)
    content[at] = byte
    parsed = read(bytes(content))
    if isinstance(parsed, ParsedBudget):
        assert parsed.total == total([row.annual for row in rows])
        assert [list(row.proposal.values()) for row in parsed.rows] == [list(row.proposal.values()) for row in rows]
    else:
        assert parsed.problems
        assert all(problem.row or not problem.column for problem in parsed.problems)


@given(st.binary(max_size=200) | st.text(alphabet='abc,"\r\n0', max_size=80).map(str.encode))
def test_no_bytes_break_the_reader(tail: bytes) -> None:
    read(tail)
    read(f"{','.join(LABELS)},Annual\n".encode() + tail)
