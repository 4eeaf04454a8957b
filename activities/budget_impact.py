"""What a load does, product by product: before it is recorded, or as it was recorded.

The list goes into the file store, because it may have 200,000 lines; totals go into the process's result.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from domain.budget import (
    AnnualApproved,
    Book,
    BudgetLoaded,
    ProductWithdrawn,
    book_stream,
    evolve_book,
    line_stream,
)
from domain.budget_load import Impact, LineChange, LoadBudget, Mode
from domain.decision import Fact, RecordedEvent
from domain.errors import Contention
from domain.hierarchy import NodePath
from domain.money import figure, plain
from domain.process import BudgetLoadResult
from domain.schedule import CameWithinBudget, Returned, WentOverBudget, schedule_stream
from file_store import FileStore
from ledger.ledger import Ledger

type Change = Literal["added", "changed", "withdrawn"]


class Line(NamedTuple):
    """One product; stored as an `ImpactRow`."""

    product: NodePath
    change: Change
    old: Decimal | None
    new: Decimal
    schedule: tuple[str, ...] = ()


class Effect(NamedTuple):
    """What a load does to a year."""

    mode: str
    effective_on: date
    lines: Sequence[Line]
    unchanged: int
    old_total: Decimal
    new_total: Decimal

    def count(self, change: Change) -> int:
        return sum(line.change == change for line in self.lines)

    def count_schedules(self, word: str) -> int:
        return sum(word in line.schedule for line in self.lines)

    def result(self, result: BudgetLoadResult, store: FileStore) -> BudgetLoadResult:
        """With the figures, and the list in the store."""
        figures = {
            "mode": self.mode,
            "effective_on": self.effective_on.isoformat(),
            "added": self.count("added"),
            "changed": self.count("changed"),
            "withdrawn": self.count("withdrawn"),
            "unchanged": self.unchanged,
            "schedules_returned": self.count_schedules("returned"),
            "schedules_over_budget": self.count_schedules("over_budget"),
            "old_total": plain(self.old_total),
            "new_total": plain(self.new_total),
            "impact": store.put(_as_json(self.lines)),
        }
        return result.model_copy(update=figures)

    def told(self, currency: str) -> str:
        """Totals and schedules in words, after what the rule says itself."""
        old, new = figure(self.old_total, currency), figure(self.new_total, currency)
        text = f"The year's budget: {currency} {old} before, {new} after."
        if returned := self.count_schedules("returned"):
            text += f" Schedules that go back to their owners, because they do not fit any more: {returned:,}."
        if over := self.count_schedules("over_budget"):
            text += f" Approved schedules over budget: {over:,}."
        return text


def to_be_expected(impact: Impact) -> Effect:
    """Of a load that is not recorded."""
    lines = [
        Line(line.product, _change(line), line.old.amount if line.old else None, line.new.amount, _words(line.schedule))
        for line in impact.changes
    ]
    return Effect(impact.mode, impact.effective_on, lines, impact.unchanged, impact.old_total, impact.new_total)


def recorded(ledger: Ledger, command: LoadBudget) -> Effect:
    """Of a load that is in the ledger, maybe since an earlier attempt: from its events, not from what was expected."""
    book = Book()
    for event in ledger.read(book_stream(command.fiscal_year)):
        assert isinstance(event.fact, BudgetLoaded)
        before, book = book, evolve_book(book, event.fact)
        if event.command_id == command.command_id:
            break
    else:
        raise Contention(f"The load {command.command_id} is recorded, but cannot be read yet: it is tried again.")
    loaded = event.fact
    if loaded.mode == Mode.NEW:  # everything that the file says
        lines = [Line(row.product, "added", None, row.annual) for row in command.rows]
    else:
        lines = _recorded_lines(ledger, command)
        if len(lines) != (loaded.added or 0) + loaded.changed + loaded.withdrawn:
            raise Contention("Not all products that the load has changed are known yet: it is tried again.")
    changed = len(lines) - loaded.withdrawn
    return Effect(loaded.mode, loaded.effective_on, lines, loaded.products - changed, before.total, book.total)


def _recorded_lines(ledger: Ledger, command: LoadBudget) -> list[Line]:
    year = command.fiscal_year
    products = dict.fromkeys((*(row.product for row in command.rows), *command.known))
    lines: dict[NodePath, Line] = {}
    annual: dict[NodePath, Decimal] = {}
    for event in ledger.read_all(line_stream(year, product) for product in products):
        fact = event.fact
        assert isinstance(fact, AnnualApproved | ProductWithdrawn)
        if event.command_id == command.command_id:
            lines[fact.product] = _line(fact, annual.get(fact.product))
        annual[fact.product] = fact.annual
    words = _recorded_words(ledger.read_all(schedule_stream(year, product) for product in lines), command)
    return [lines[product]._replace(schedule=words.get(product, ())) for product in products if product in lines]


def _recorded_words(events: Iterable[RecordedEvent], command: LoadBudget) -> dict[NodePath, tuple[str, ...]]:
    words: dict[NodePath, tuple[str, ...]] = {}
    for event in events:
        if event.command_id == command.command_id:
            fact = event.fact
            assert isinstance(fact, Returned | WentOverBudget | CameWithinBudget)
            words[fact.product] = (*words.get(fact.product, ()), *_words([fact]))
    return words


def _line(fact: AnnualApproved | ProductWithdrawn, old: Decimal | None) -> Line:
    change: Change = "withdrawn" if isinstance(fact, ProductWithdrawn) else "added" if old is None else "changed"
    return Line(fact.product, change, old, fact.annual)


def _change(line: LineChange) -> Change:
    return "withdrawn" if isinstance(line.fact, ProductWithdrawn) else "added" if line.old is None else "changed"


def _words(facts: Iterable[Fact]) -> tuple[str, ...]:
    word_of: dict[type[Fact], str] = {
        Returned: "returned",
        WentOverBudget: "over_budget",
        CameWithinBudget: "within_budget",
    }
    return tuple(word_of[type(fact)] for fact in facts)


def _as_json(lines: Iterable[Line]) -> bytes:
    """A list of `ImpactRow`, one a line. Written by hand: through models it takes as long as the load itself."""
    texts = (
        json.dumps(
            {
                "product": str(line.product),
                "change": line.change,
                "old": "" if line.old is None else plain(line.old),
                "new": plain(line.new),
                "schedule": line.schedule[-1] if line.schedule else "",
            },
            ensure_ascii=False,
        )
        for line in lines
    )
    return ("[\n" + ",\n".join(texts) + "\n]\n").encode()
