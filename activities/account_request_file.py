"""Account request files of Account Factory for Terraform (AFT): the accounts they ask for, as expected accounts.

A request is a module whose source is AFT's `aft-account-request`. Its product and type stand in `account_tags` or in
`custom_fields`. A value that only Terraform can tell is not guessed: where it is needed, it is a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from activities.hcl import Block, Computed, Table, Text, Unreadable, blocks
from domain.account_cells import PATH_EXAMPLE, read_email, read_name, read_type
from domain.account_rules import Resolve
from domain.account_table import unreadable
from domain.allocation import WHOLE_PERCENT, AccountType, Share
from domain.budget_file_csv import BYTE_ORDER_MARK
from domain.budget_file_problem import Fault, Problems
from domain.expectation import key_of_email
from domain.expected_account import EXPECTED_MAX, ExpectedAccount
from domain.expected_file import ExpectedRow

PRODUCT_TAG, TYPE_TAG = "allot:product", "allot:type"
"""Tags or custom fields that say which product and type an account is of, where nobody names others."""
REQUEST_MODULE = "aft-account-request"
SUFFIXES = (".tf", ".tofu", ".hcl")
PARAMETERS, EMAIL, NAME = "control_tower_parameters", "AccountEmail", "AccountName"
TAGS, FIELDS = "account_tags", "custom_fields"
PRIVATE = frozenset({EMAIL, NAME})
"""Fields whose values belong into no history: the address of an account may be a person's."""
MODULE_CHARS_SHOWN_MAX = 60
_LITERAL_REMEDY = "write the text itself in quotes; Allot does not evaluate Terraform"
_REPEATING = ("count", "for_each")


class AccountRequest(NamedTuple):
    """One account that is asked for."""

    row: int
    """The line of its module."""
    email: str
    name: str
    account_type: AccountType
    product: str
    """As it is written: the path or the code of a product."""
    product_row: int
    product_field: str


class RequestsRead(NamedTuple):
    """What a file asks for, and what is wrong with the rest of it."""

    requests: tuple[AccountRequest, ...]
    problems: Problems
    skipped: int
    """Modules that are no account requests."""


def is_request_file(file_name: str) -> bool:
    return file_name.lower().endswith(SUFFIXES)


def read_requests(data: bytes, product_tag: str = "", type_tag: str = "") -> RequestsRead:
    """Every request of the file. Rows of problems are lines, columns are fields."""
    reader = _Reader(product_tag or PRODUCT_TAG, type_tag or TYPE_TAG)
    if fault := unreadable(data, "HCL"):
        reader.problems.add_to_file(fault)
        return reader.result()
    try:
        text = data.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
        reader.read(blocks(text))
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        reader.problems.add(row, "", "", Fault("is not UTF-8", "save it as HCL in UTF-8"))
    except Unreadable as error:
        reader.problems.add(error.line, "", "", error.fault)
    return reader.result()


def expected_rows(requests: Iterable[AccountRequest], resolve: Resolve, problems: Problems) -> tuple[ExpectedRow, ...]:
    """The accounts with their products; what names none is added to the problems."""
    rows: list[ExpectedRow] = []
    for request in requests:
        product = resolve(request.product)
        if product is None:
            remedy = f"write the path of a product, such as {PATH_EXAMPLE}, or a code that one product has"
            fault = Fault("names no product of the budget", remedy)
            problems.add(request.product_row, request.product_field, request.product, fault)
            continue
        account = ExpectedAccount(
            email=request.email,
            name=request.name,
            account_type=request.account_type,
            shares=(Share(product=product, percent=WHOLE_PERCENT),),
        )
        rows.append(ExpectedRow(request.row, account))
    return tuple(rows)


@dataclass(slots=True)
class _Reader:
    """Goes through the modules of a file, and gathers what is wrong with them."""

    product_tag: str
    type_tag: str
    problems: Problems = field(default_factory=Problems)
    requests: list[AccountRequest] = field(default_factory=list)
    skipped: int = 0
    seen: int = 0
    first_of: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The first request by the key of its address: which one it is, and its line."""

    def read(self, found: Iterable[Block]) -> None:
        """Raises Unreadable."""
        for block in found:
            if block.labels[:1] != ("module",):
                continue
            if not _is_request(block):
                self.skipped += 1
                continue
            self.seen += 1
            if self.seen > EXPECTED_MAX:
                fault = Fault(f"is one more than {EXPECTED_MAX:,} requests, the most in one file", "split the file")
                self.problems.add(block.line, "", "", fault)
                return
            _Module(self, block).read()
        if not self.seen:
            remedy = f"it needs modules with the source ./modules/{REQUEST_MODULE}"
            self.problems.add_to_file(Fault("has no account request", remedy))

    def result(self) -> RequestsRead:
        return RequestsRead(tuple(self.requests), self.problems, self.skipped)


def _is_request(block: Block) -> bool:
    """Whether it is AFT's module; one that cannot be told, but has its parameters, is taken for one and refused."""
    source = block.values.get("source")
    if isinstance(source, Text):
        return source.text.partition("?")[0].rstrip("/").rpartition("/")[2] == REQUEST_MODULE
    return PARAMETERS in block.values


@dataclass(slots=True)
class _Module:
    """One request."""

    reader: _Reader
    block: Block
    faulty: bool = False

    def read(self) -> None:
        """Adds the request, or what is wrong with it."""
        self._whole()
        email = self._checked(EMAIL, self._parameter(EMAIL), read_email)
        name = self._checked(NAME, self._parameter(NAME), read_name)
        product = self._tagged(self.reader.product_tag, PATH_EXAMPLE)
        named = self._tagged(self.reader.type_tag, AccountType.DEVELOPMENT)
        account_type = self._checked(named[0], named[1], read_type) if named else None
        self._once(email)
        if self.faulty or not (email and name and product and account_type):
            return
        column, value = product
        self.reader.requests.append(
            AccountRequest(self.block.line, email, name, account_type, value.text.strip(), value.line, column)
        )

    def _whole(self) -> None:
        """The module is one account, and says everything once."""
        for key in _REPEATING:
            if key in self.block.values:
                problem = f"makes {self._called} several accounts, or none"
                self._refuse(self.block.values[key].line, key, Fault(problem, "write a module for each account"))
        if not isinstance(source := self.block.values.get("source"), Text):
            problem = f"of {self._called} is not a plain text"
            self._refuse(source.line if source else self.block.line, "source", Fault(problem, _LITERAL_REMEDY))
        for key in self.block.twice:
            self._refuse(self.block.line, key, Fault(f"is given twice in {self._called}", "keep one of the two"))

    def _parameter(self, key: str) -> Text | None:
        table = self.block.values.get(PARAMETERS)
        if isinstance(table, Table):
            return self._text(key, key, table)
        if key == EMAIL:  # told once
            if table is None:
                fault = Fault(f"is missing in {self._called}", f"write {PARAMETERS} = {{ {EMAIL} = … }}")
            else:
                fault = Fault(f"of {self._called} is no plain table", _LITERAL_REMEDY)
            self._refuse(table.line if table else self.block.line, PARAMETERS, fault)
        self.faulty = True
        return None

    def _text(self, column: str, key: str, table: Table) -> Text | None:
        """What the table says; what it does not say as a plain text is told."""
        value = table.values.get(key)
        if key in table.twice:
            self._refuse(table.line, column, Fault(f"is given twice in {self._called}", "keep one of the two"))
        elif value is None:
            self._refuse(table.line, column, Fault(f"is missing in {self._called}", _LITERAL_REMEDY))
        elif isinstance(value, Computed):
            self._refuse(value.line, column, Fault(f"is {value.what} in {self._called}", _LITERAL_REMEDY), "…")
        elif not value.text.strip():
            self._refuse(value.line, column, Fault(f"is empty in {self._called}", _LITERAL_REMEDY))
        else:
            return value
        return None

    def _tagged(self, key: str, example: str) -> tuple[str, Text] | None:
        """The field and its value, from the tags or the custom fields; both may say it, if they say the same."""
        found: list[tuple[str, Text]] = []
        hidden: list[str] = []
        for name in (TAGS, FIELDS):
            table = self.block.values.get(name)
            if isinstance(table, Table) and key in table.values:
                column = f'{name}["{key}"]'
                if (value := self._text(column, key, table)) is None:
                    return None
                found.append((column, value))
            elif table is not None and not (isinstance(table, Table) and table.whole):
                hidden.append(name)
        if len({value.text.strip() for _, value in found}) > 1:
            column, value = found[-1]
            self._refuse(value.line, column, Fault(f"is another one than in {TAGS}", "write it once"), value.text)
            return None
        if not found:
            self._untold(key, hidden, example)
        return found[0] if found else None

    def _untold(self, key: str, hidden: list[str], example: str) -> None:
        if hidden:
            problem = f"of {self._called} cannot be told, because {' and '.join(hidden)} only Terraform can evaluate"
        else:
            problem = f"is in neither {TAGS} nor {FIELDS} of {self._called}"
        remedy = f'write "{key}" = "{example}" in one of them, or say which tag it is'
        self._refuse(self.block.line, key, Fault(problem, remedy))

    def _checked[T](self, column: str, value: Text | None, read: Callable[[str], T | Fault]) -> T | None:
        if value is None:
            return None
        found = read(value.text.strip())
        if isinstance(found, Fault):
            self._refuse(value.line, column, found, value.text)
            return None
        return found

    def _once(self, email: str | None) -> None:
        if not email:
            return
        here = (self.reader.seen, self.block.line)
        first = self.reader.first_of.setdefault(key_of_email(email), here)
        if first != here:
            fault = Fault(f"is the address of the module in row {first[1]}, too", "each account has one of its own")
            self._refuse(self.block.line, EMAIL, fault, email)

    def _refuse(self, line: int, column: str, fault: Fault, value: str = "") -> None:
        self.faulty = True
        self.reader.problems.add(line, column, value, fault)

    @property
    def _called(self) -> str:
        name = self.block.labels[1] if len(self.block.labels) > 1 else ""
        return f"module {name[:MODULE_CHARS_SHOWN_MAX]!r}"
