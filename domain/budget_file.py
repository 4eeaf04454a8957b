"""A budget file, checked whole (product rules, section 3): every row of it, or everything that is wrong with it.

Names may hold any printable character, also `=` or `@` at their beginning: here they are only text. Whatever writes
them into a spreadsheet again must see to it that they stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from domain.budget import ROWS_MAX, BudgetRow
from domain.budget_file_amount import EMPTY, read_amount, usual_form
from domain.budget_file_csv import BYTE_ORDER_MARK, NotUtf8, Record, records
from domain.budget_file_header import ANNUAL, CODE, ESTIMATED, HEADER_ROW, OWNER, Columns, read_header
from domain.budget_file_problem import Fault, InvalidBudget, Problems, column_letter
from domain.calendar import Month
from domain.decision import PERSON_REFERENCE_CHARS_MAX, Organization
from domain.hierarchy import LEVELS, NODE_NAME_CHARS_MAX, PRODUCT_LEVEL, NodePath, node_name_problem
from domain.money import figure, total
from domain.process import LoadTerms

FILE_BYTES_MAX = 100_000_000
CODE_CHARS_MAX = NODE_NAME_CHARS_MAX
LOCAL_PART_CHARS_MAX = 64
"""Of an e-mail address (RFC 5321)."""
ROWS_BETWEEN_REPORTS = 500

Report = Callable[[int, int], None]
"""Told how many rows are read, and of how many."""

_EMAIL = re.compile(r"[^\s@,;:<>()\[\]\\\"]+@[^\s@,;:<>()\[\]\\\"]+\.[^\s@,;:<>()\[\]\\\".]+")


def _unheard(_done: int, _whole: int) -> None:
    """Where nobody wants to know."""


class ParsedBudget(NamedTuple):
    """A good file."""

    labels: tuple[str, str, str, str]
    rows: tuple[BudgetRow, ...]
    total: Decimal
    absent: tuple[str, ...] = ()
    """Columns that the file might have and does not."""


def parse_budget(
    data: bytes, terms: LoadTerms, organization: Organization, report: Report = _unheard
) -> ParsedBudget | InvalidBudget:
    """All rows of a CSV file, or what is wrong with them."""
    problems = Problems()
    if fault := _unreadable(data):
        problems.add_to_file(fault)
        return problems.result()
    whole = data.count(b"\n") + (not data.endswith(b"\n"))
    try:
        return parse_records(records(data), whole, terms, organization, report, problems)
    except NotUtf8 as error:
        problems.add(
            error.row,
            "",
            "",
            Fault(
                f"is not UTF-8 at byte {error.offset} of the file (0x{error.byte:02X})",
                "save the file as CSV UTF-8",
            ),
        )
        return problems.result()


def _unreadable(data: bytes) -> Fault | None:
    """What can be told without reading it."""
    if len(data) > FILE_BYTES_MAX:
        return Fault(
            f"has {len(data):,} bytes; at most {FILE_BYTES_MAX:,} (100 MB) are allowed",
            "check that it is a budget file, with one row a product",
        )
    if data.startswith(b"PK\x03\x04"):
        return Fault("is a workbook and not CSV", "save it as CSV UTF-8")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Fault("is UTF-16", "save it as CSV UTF-8")
    if not data.removeprefix(BYTE_ORDER_MARK).strip():
        return Fault("is empty", "it needs a header and a row for each product")
    return None


def parse_records(
    found: Iterator[Record],
    whole: int,
    terms: LoadTerms,
    organization: Organization,
    report: Report = _unheard,
    problems: Problems | None = None,
) -> ParsedBudget | InvalidBudget:
    """The same for the rows of any kind of file, the header first; `whole` is how many there are, roughly."""
    problems = problems or Problems()
    columns = _header(next(found), terms, organization, problems)
    if columns is None:
        return problems.result()
    reader = _RowReader(columns, organization.currency, problems)
    for record in found:
        if record.row % ROWS_BETWEEN_REPORTS == 0:
            report(record.row, whole)
        if not reader.read(record):
            break
    if not reader.products:
        problems.add_to_file(Fault("has no products below its header", "it needs a row for each product"))
    report(whole, whole)
    if problems.count:
        return problems.result()
    rows = tuple(reader.rows)
    return ParsedBudget(columns.labels, rows, total([row.annual for row in rows]), columns.absent)


def _header(record: Record, terms: LoadTerms, organization: Organization, problems: Problems) -> Columns | None:
    if record.fault:
        problems.add(record.row, "", "", record.fault)
    for index, fault in record.wrong:
        problems.add(HEADER_ROW, f"column {column_letter(index)}", record.cells[index], fault)
    if problems.count:
        return None
    months = organization.calendar.months(terms.fiscal_year)
    return read_header(record.cells, months, terms.fiscal_year, problems)


@dataclass(slots=True)
class _RowReader:
    """Reads row after row; what they must not share is remembered."""

    columns: Columns
    currency: str
    problems: Problems
    rows: list[BudgetRow] = field(default_factory=list)
    products: int = 0
    row_of_product: dict[NodePath, int] = field(default_factory=dict)
    row_of_code: dict[str, int] = field(default_factory=dict)

    def read(self, record: Record) -> bool:
        """Whether to go on; each problem of the row is added."""
        cells = record.cells
        if record.fault is None and not (cells[0].strip() or "".join(cells).strip()):
            return True  # an empty line, as spreadsheets leave them
        self.products += 1
        if self.products > ROWS_MAX:
            fault = Fault(
                f"is one more than {ROWS_MAX:,} products, the most in one file",
                "check that it is a budget file, with one row a product",
            )
            self.problems.add(record.row, "", "", fault)
            return False
        if record.fault:
            self.problems.add(record.row, "", record.excerpt, record.fault)
        elif record.wrong:
            for index, fault in record.wrong:
                self.problems.add(record.row, self.columns.names[index], cells[index], fault)
        elif len(cells) != len(self.columns.names):
            self._wrong_width(record)
        else:
            self._checked(record.row, cells)
        return True

    def _wrong_width(self, record: Record) -> None:
        fault = Fault(
            f"has {len(record.cells)} cells, and the header has {len(self.columns.names)}",
            "fill in or remove cells, and put a cell that holds a comma in quotes",
        )
        self.problems.add(record.row, "", ",".join(record.cells), fault)

    def _checked(self, row: int, cells: list[str]) -> None:
        columns, before = self.columns, self.problems.count
        product = self._product(row, cells)
        annual, proposal = self._amounts(row, cells)
        estimated = self._amount(row, cells, columns.estimated, ESTIMATED) if columns.estimated is not None else None
        code = self._code(row, cells[columns.code]) if columns.code is not None else ""
        owner = self._owner(row, cells[columns.owner]) if columns.owner is not None else ""
        if product is None or annual is None or self.problems.count > before:
            return
        # Everything has been checked here; validating it a second time would double the time of a large file.
        self.rows.append(
            BudgetRow.model_construct(
                product=product, annual=annual, estimated=estimated, code=code, owner=owner, proposal=proposal
            )
        )

    def _product(self, row: int, cells: Sequence[str]) -> NodePath | None:
        try:
            product = NodePath(tuple(cells[:PRODUCT_LEVEL]))
        except ValueError:
            self._wrong_names(row, cells)
            return None
        if (first := self.row_of_product.setdefault(product, row)) != row:
            fault = Fault(f"is the product of row {first} already", "give each product one row")
            self.problems.add(row, self.columns.names[PRODUCT_LEVEL - 1], str(product), fault)
        return product

    def _wrong_names(self, row: int, cells: Sequence[str]) -> None:
        for index, level in enumerate(LEVELS):
            text = cells[index]
            if not text.strip():
                fault = Fault("is missing", f"each product needs a name for {level}")
            elif problem := node_name_problem(text):
                fault = Fault(problem, f"write a name of at most {NODE_NAME_CHARS_MAX} characters on one line")
            else:
                continue
            self.problems.add(row, self.columns.names[index], text, fault)

    def _amounts(self, row: int, cells: Sequence[str]) -> tuple[Decimal | None, dict[Month, Decimal]]:
        """The annual amount and the proposal; None where either is wrong."""
        columns = self.columns
        annual_text = cells[columns.annual] if columns.annual is not None else ""
        texts = [cells[index] for index in columns.months.values()]
        if not "".join(texts).strip(" "):
            if columns.annual is None:
                self.problems.add(row, str(next(iter(columns.months))), "", EMPTY)
                return None, {}
            return self._amount(row, cells, columns.annual, ANNUAL, required=True), {}
        proposal = self._proposal(row, texts)
        if columns.annual is None or not annual_text.strip(" "):
            return (total(list(proposal.values())) if proposal else None), proposal
        annual = self._amount(row, cells, columns.annual, ANNUAL)
        if annual is not None and proposal:
            self._check_sum(row, annual_text, annual, total(list(proposal.values())))
        return annual, proposal

    def _proposal(self, row: int, texts: Sequence[str]) -> dict[Month, Decimal]:
        """Twelve amounts, or none where one of them is wrong."""
        months = self.columns.months
        if all(map(usual_form(self.currency).fullmatch, texts)):
            return dict(zip(months, map(Decimal, texts), strict=True))
        amounts = [read_amount(text, self.currency) for text in texts]
        proposal = {month: amount for month, amount in zip(months, amounts, strict=True) if isinstance(amount, Decimal)}
        if len(proposal) == len(months):
            return proposal
        for month, text, amount in zip(months, texts, amounts, strict=True):
            if isinstance(amount, Fault):
                self.problems.add(row, str(month), text, amount)
        return {}

    def _check_sum(self, row: int, text: str, annual: Decimal, months: Decimal) -> None:
        if annual == months:
            return
        more, less = max(annual, months), min(annual, months)
        fault = Fault(
            f"is {figure(more - less, self.currency)} {'more' if annual > months else 'less'} than the months, "
            f"which add up to {figure(months, self.currency)}",
            "correct Annual or the months",
        )
        self.problems.add(row, ANNUAL, text, fault)

    def _amount(
        self, row: int, cells: Sequence[str], index: int, column: str, *, required: bool = False
    ) -> Decimal | None:
        amount = read_amount(cells[index], self.currency)
        if not isinstance(amount, Fault):
            return amount
        if required or amount is not EMPTY:
            self.problems.add(row, column, cells[index], amount)
        return None

    def _code(self, row: int, text: str) -> str:
        if not text.strip():
            return ""
        if len(text) > CODE_CHARS_MAX or text != text.strip() or not text.isprintable():
            fault = Fault(
                "is not a product code",
                f"write at most {CODE_CHARS_MAX} characters on one line, without blanks around them",
            )
            self.problems.add(row, CODE, text, fault)
        elif (first := self.row_of_code.setdefault(text, row)) != row:
            fault = Fault(f"is the code of row {first} already", "give each product a code of its own, or none")
            self.problems.add(row, CODE, text, fault)
        return text

    def _owner(self, row: int, text: str) -> str:
        if not text.strip():
            return ""
        if not is_email(text):
            fault = Fault("is not an e-mail address", "write one such as ann@example.com, or leave the cell empty")
            self.problems.add(row, OWNER, text, fault)
        return text


def is_email(text: str) -> bool:
    """Whether it has the shape of one address; whether it exists, only its owner knows."""
    local, _, _ = text.partition("@")
    return (
        len(text) <= PERSON_REFERENCE_CHARS_MAX
        and len(local) <= LOCAL_PART_CHARS_MAX
        and text.isprintable()
        and _EMAIL.fullmatch(text) is not None
    )
