"""What Finance does in the lifecycle machine: loads of the budget in every mode, months closed and reopened."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from domain.budget import BudgetRow, book_stream
from domain.budget_load import LoadBudget
from domain.calendar import Month
from domain.closing import CloseMonth, ReopenMonth, closing_stream
from domain.errors import Contention
from domain.hierarchy import NodePath
from tests.domain import lifecycle_steps
from tests.domain.lifecycle_company import ANNUALS, FIN, LAST_MODE, PRODUCTS, admins
from tests.domain.lifecycle_model import YEAR
from tests.domain.lifecycle_sending import Sending


class Loading(Sending):
    """Loads, repeated loads, and the months that are closed."""

    @initialize(annuals=st.tuples(*[st.sampled_from(ANNUALS[2:])] * 3))
    def first_load(self, annuals: tuple[int, ...]) -> None:
        self.load(FIN, dict(zip(PRODUCTS, annuals, strict=True)), is_new=True)

    @rule(who=admins, annuals=st.lists(st.sampled_from(ANNUALS), min_size=1, max_size=3), mode=st.integers(0, 11))
    def load_again(self, who: str, annuals: list[int], mode: int) -> None:
        if mode > LAST_MODE:
            self.load_the_same_bytes(len(annuals) + mode)
            return
        rows = dict(zip(PRODUCTS[mode % 3 :] + PRODUCTS, annuals, strict=False))
        self.load(who, rows, is_new=mode == LAST_MODE, override=mode in (5, 6, 7, 8), incomplete=mode == 8)

    def load_the_same_bytes(self, which: int) -> None:
        file = self.files[which % len(self.files)]
        told = self.witnessed(file.model_copy(update={"command_id": self.new_id(), "actor": FIN}))
        assert not told.code, f"the same bytes changed something: {told}"
        assert not told.events, f"the same bytes changed something: {told}"

    def load(
        self,
        who: str,
        rows: dict[NodePath, int],
        *,
        is_new: bool = False,
        override: bool = False,
        incomplete: bool = False,
    ) -> None:
        month = Month(YEAR, 1 + len(self.sent) % 12)
        known = tuple(product for product in PRODUCTS if not incomplete or product in rows)
        command = self.make(
            LoadBudget,
            who,
            fiscal_year=YEAR,
            content_hash=f"{len(self.recorder.receipts) + 1:064x}",
            customer="Acme",
            option="Budget",
            file_version="v1",
            is_new=is_new,
            is_override=override,
            effective_on=month.first_day,
            labels=("Unit", "Department", "Portfolio", "Product"),
            rows=tuple(BudgetRow(product=product, annual=Decimal(annual)) for product, annual in rows.items()),
            known=known if override else (),
        )
        again = bool(self.recorder.state(book_stream(YEAR)).loaded)
        may = self.model.is_finance(who) and who not in self.model.inactive
        if may and override and again and len({*known, *rows}) < len(PRODUCTS):
            with pytest.raises(Contention):
                self.recorder.record(command, self.model.now)
            return
        told = self.witnessed(command)
        if told.code == "":
            self.files.append(command)
        if not self.predicts:
            return
        if not may:
            assert told.code in ("NotGranted", "Deactivated")
        elif again and is_new and not override:
            assert told.code == "YearAlreadyLoaded"
        else:
            assert not told.code
            annual = {str(product): amount for product, amount in rows.items()}
            lifecycle_steps.loaded(
                self.model, annual, override=override and again, from_month=1 if is_new else month.month
            )

    @rule(who=admins, number=st.sampled_from((1, 2, 3, 4, 5, 6, 7, 12)), close=st.sampled_from((True, True, False)))
    def close_or_reopen(self, who: str, number: int, close: bool) -> None:
        closed = sorted(self.recorder.state(closing_stream(YEAR)))
        if close:
            self.send(self.make(CloseMonth, who, month=Month(YEAR, number)))
        else:
            month = closed[number % len(closed)] if closed else Month(YEAR, number)
            self.send(self.make(ReopenMonth, who, month=month, reason="late invoice"))
