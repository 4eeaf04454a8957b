"""With which cost metric budgets are compared (product rules, section 7): chosen from a fiscal year on, until another
choice. One stream for the organization (`cost_metric/organization`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN, Month
from domain.closing import ClosedMonths, closing_stream
from domain.cost_metric import DEFAULT_METRIC, CostMetric
from domain.decision import Action, Command, Context, Decision, Event, Fact, NoteText, Rule, States, Stream
from domain.errors import Refusal
from domain.hierarchy import NodePath
from domain.people import require

METRIC_STREAM = Stream("cost_metric", "organization")
MONTHS_SHOWN_MAX = 5

type Choices = Mapping[int, CostMetric]
"""By the fiscal year from which each holds."""


class MetricChosen(Fact):
    """Budgets are compared with this metric, from the fiscal year on."""

    fact_name: ClassVar[str] = "cost.MetricChosen"
    fiscal_year: int
    metric: CostMetric
    note: str = ""


def evolve(choices: Choices, fact: MetricChosen) -> Choices:
    return {**choices, fact.fiscal_year: fact.metric}


def metric_in(choices: Choices, fiscal_year: int) -> CostMetric:
    """The metric of a fiscal year."""
    before = [year for year in choices if year <= fiscal_year]
    return choices[max(before)] if before else DEFAULT_METRIC


class ChooseMetric(Command):
    """Chooses the metric that budgets are compared with, from a fiscal year on."""

    kind: Literal["cost.ChooseMetric"] = "cost.ChooseMetric"
    fiscal_year: Annotated[int, Field(ge=FISCAL_YEAR_MIN, le=FISCAL_YEAR_MAX)]
    metric: CostMetric
    note: NoteText = ""

    @property
    def subject(self) -> Stream:
        return METRIC_STREAM


def decide_choice(states: States, command: ChooseMetric, context: Context) -> Decision:
    authority = require(context, Action.CHOOSE_METRIC, NodePath.ROOT)
    choices: Choices = states[METRIC_STREAM]
    if metric_in(choices, command.fiscal_year) is command.metric:
        return Decision(message=f"Budgets of {command.fiscal_year} are compared with {command.metric} cost already.")
    if closed := sorted(_changed_and_closed(states, command, context)):
        shown = ", ".join(map(str, closed[:MONTHS_SHOWN_MAX]))
        more = f" and {len(closed) - MONTHS_SHOWN_MAX} more" if len(closed) > MONTHS_SHOWN_MAX else ""
        raise Refusal(
            f"From {command.fiscal_year} on, {command.metric} cost would change what is closed ({shown}{more}): choose "
            "it from a later fiscal year on, or have these months reopened.",
            code="ClosedMonth",
        )
    fact = MetricChosen(fiscal_year=command.fiscal_year, metric=command.metric, note=command.note)
    told = f"From fiscal year {command.fiscal_year} on, budgets are compared with {command.metric} cost."
    return Decision([Event(METRIC_STREAM, fact)], told, authority)


def _changed_and_closed(states: States, command: ChooseMetric, context: Context) -> Iterator[Month]:
    choices: Choices = states[METRIC_STREAM]
    until = min((year for year in choices if year > command.fiscal_year), default=FISCAL_YEAR_MAX + 1)
    for year in _years_with_closed_months(command, context):
        if year < until:
            closed: ClosedMonths = states[closing_stream(year)]
            yield from closed


def _years_with_closed_months(command: ChooseMetric, context: Context) -> range:
    """Only a month that has ended may be closed."""
    today = context.organization.calendar.fiscal_year_of(Month.of(context.business_day))
    return range(command.fiscal_year, today + 1)


def _reads(command: ChooseMetric, context: Context) -> Sequence[Stream]:
    return (METRIC_STREAM, *(closing_stream(year) for year in _years_with_closed_months(command, context)))


RULES: dict[type[Command], Rule] = {ChooseMetric: Rule(_reads, decide_choice)}
FACTS: tuple[type[Fact], ...] = (MetricChosen,)
