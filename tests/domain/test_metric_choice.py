"""The metric that budgets are compared with: from a fiscal year on, and never against what is closed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.calendar import FISCAL_YEAR_MAX, Month
from domain.closing import MonthClosed, MonthReopened, closing_stream
from domain.cost_metric import CostMetric
from domain.decision import Event
from domain.errors import Forbidden, Refusal
from domain.metric_choice import METRIC_STREAM, ChooseMetric, MetricChosen, evolve, metric_in
from tests.domain.specs import ADMIN, LEAD, OWNER, command_id, decide, fold

UNBLENDED, AMORTIZED, NET = CostMetric.UNBLENDED, CostMetric.AMORTIZED, CostMetric.NET_AMORTIZED


def choose(fiscal_year: int, metric: CostMetric = AMORTIZED, note: str = "") -> ChooseMetric:
    return ChooseMetric(command_id=command_id(), actor="x", fiscal_year=fiscal_year, metric=metric, note=note)


def chosen(fiscal_year: int, metric: CostMetric = AMORTIZED) -> Event:
    return Event(METRIC_STREAM, MetricChosen(fiscal_year=fiscal_year, metric=metric))


def closed(month: str) -> Event:
    parsed = Month.parse(month)
    return Event(closing_stream(parsed.year), MonthClosed(fiscal_year=parsed.year, month=parsed))


def test_a_choice_holds_from_its_year_on_until_another_one() -> None:
    choices = fold([chosen(2026), chosen(2028, NET)], [METRIC_STREAM])[METRIC_STREAM]
    found = [metric_in(choices, year) for year in (2025, 2026, 2027, 2028, 2040)]
    assert found == [UNBLENDED, AMORTIZED, AMORTIZED, NET, NET]


def test_a_later_choice_for_the_same_year_takes_the_place_of_the_earlier_one() -> None:
    assert evolve({2026: AMORTIZED}, MetricChosen(fiscal_year=2026, metric=NET)) == {2026: NET}


def test_a_financial_admin_chooses() -> None:
    decision = decide(choose(2027, note="as agreed"), ADMIN)
    assert decision.events == [Event(METRIC_STREAM, MetricChosen(fiscal_year=2027, metric=AMORTIZED, note="as agreed"))]
    assert decision.message == "From fiscal year 2027 on, budgets are compared with amortized cost."
    assert decision.authority.policies == ("metric-choose",)


@pytest.mark.parametrize("actor", [LEAD, OWNER])
def test_nobody_else_does(actor: object) -> None:
    with pytest.raises(Forbidden):
        decide(choose(2027), actor)  # type: ignore[arg-type]


def test_what_holds_already_is_no_choice() -> None:
    assert decide(choose(2027, UNBLENDED), ADMIN).events == ()
    decision = decide(choose(2028), ADMIN, [chosen(2027)])
    assert decision.events == ()
    assert decision.message == "Budgets of 2028 are compared with amortized cost already."


def test_a_choice_that_would_change_a_closed_month_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        decide(choose(2026), ADMIN, [closed("2026-02"), closed("2026-01")])
    assert refused.value.code == "ClosedMonth"
    assert refused.value.message == (
        "From 2026 on, amortized cost would change what is closed (2026-01, 2026-02): choose it from a later fiscal "
        "year on, or have these months reopened."
    )
    months = [closed(f"2025-{number:02d}") for number in range(1, 8)]
    with pytest.raises(Refusal, match=r"\(2025-01, 2025-02, 2025-03, 2025-04, 2025-05 and 2 more\)"):
        decide(choose(2025), ADMIN, months)


def test_months_that_it_does_not_change_may_be_closed() -> None:
    reopened = Event(closing_stream(2026), MonthReopened(fiscal_year=2026, month=Month(2026, 1), reason="late"))
    for facts in (
        [closed("2025-12")],
        [closed("2026-01"), reopened],
        [chosen(2026, NET), chosen(2026, UNBLENDED)],
    ):
        assert decide(choose(2026), ADMIN, facts).events
    # From 2026 on there is another choice already.
    assert decide(choose(2025), ADMIN, [chosen(2026, NET), closed("2026-01")]).events


def test_a_year_far_away_asks_for_no_more_than_there_can_be() -> None:
    assert decide(choose(FISCAL_YEAR_MAX), ADMIN, now=datetime(2026, 1, 1, tzinfo=UTC)).events
    assert decide(choose(2001), ADMIN, now=datetime(2026, 1, 1, tzinfo=UTC)).events
