"""Lines of a file that belong to one account: together they say its type, and which product has which share of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from domain.account_cells import Cells, read_note, read_optional_percent, read_product, read_type
from domain.allocation import SHARES_MAX, WHOLE_PERCENT, AccountType, Share
from domain.budget_file_problem import Fault, Problems
from domain.hierarchy import NodePath
from domain.money import plain, total

TYPE, PRODUCT, PERCENT, NOTE = SPLIT_COLUMNS = ("type", "product", "percent", "note")
_SUM_REMEDY = "the percentages of an account's lines add up to exactly 100"


@dataclass(slots=True)
class AccountLines:
    """What the lines of one account say so far."""

    row: int
    """The first of them."""
    account_type: AccountType | None = None
    note: str | None = None
    lines: dict[NodePath, tuple[int, Decimal | None]] = field(default_factory=dict)
    """By product: the row, and the percentage where it is given."""
    faulty: bool = False
    """Whether a line of them is wrong: then nothing is said of their sum."""

    def add(self, cells: Cells) -> None:
        """Takes in one line."""
        self._same_type(cells)
        self._same_note(cells)
        product = cells.read(PRODUCT, read_product)
        percent = cells.read(PERCENT, read_optional_percent)
        if product is not None:
            row, _ = self.lines.setdefault(product, (cells.line.row, percent))
            if row != cells.line.row:
                cells.refuse(PRODUCT, Fault(f"has a share in row {row} already", "leave one of the two lines out"))
        self.faulty |= cells.faulty

    def _same_type(self, cells: Cells) -> None:
        found = cells.read(TYPE, read_type)
        if found is None:
            return
        self.account_type = self.account_type or found
        if found != self.account_type:
            cells.refuse(TYPE, Fault(f"is another type than in row {self.row}", "give an account one type"))

    def _same_note(self, cells: Cells) -> None:
        found = cells.read(NOTE, read_note)
        if found is None:
            return
        self.note = found if self.note is None else self.note
        if found != self.note:
            fault = Fault(f"is another note than in row {self.row}", "write the same note in all lines of an account")
            cells.refuse(NOTE, fault)

    def shares(self, problems: Problems) -> tuple[Share, ...]:
        """Ordered by product, a whole of 100 %; empty where something is wrong, which is told by then."""
        if self.faulty:
            return ()
        if len(self.lines) > SHARES_MAX:
            fault = Fault(f"is split over {len(self.lines):,} products", f"at most {SHARES_MAX} may share an account")
            problems.add(self.row, "", "", fault)
            return ()
        percents = self._percents(problems)
        if not percents:
            return ()
        if (whole := total(tuple(percents.values()))) != WHOLE_PERCENT:
            problems.add(self.row, PERCENT, plain(whole), self._not_whole(whole))
            return ()
        return tuple(Share(product=product, percent=percents[product]) for product in sorted(percents))

    def _percents(self, problems: Problems) -> dict[NodePath, Decimal]:
        """Empty where one is missing."""
        if len(self.lines) == 1:
            return {product: WHOLE_PERCENT if given is None else given for product, (_, given) in self.lines.items()}
        for row, percent in self.lines.values():
            if percent is None:
                problems.add(row, PERCENT, "", Fault("is missing, and the account has several lines", _SUM_REMEDY))
                self.faulty = True
        return {} if self.faulty else {product: given for product, (_, given) in self.lines.items() if given}

    def _not_whole(self, whole: Decimal) -> Fault:
        if whole == 1:
            return Fault("is what this account adds up to", "write percentages such as 60 and 40, and not 0.6 and 0.4")
        if len(self.lines) == 1:
            return Fault("is not the whole account", f"leave it empty, or add lines for other products: {_SUM_REMEDY}")
        return Fault(f"is what the {len(self.lines)} lines of this account add up to", _SUM_REMEDY)
