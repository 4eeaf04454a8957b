"""Workloads for people: what they were to cost and did, component by component; and what that is for a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from rich.console import ConsoleRenderable
from rich.text import Text

from command_line.output import Column, Styled, figures, moment, money, persona_words, table
from domain.calendar import Month
from domain.money import total
from domain.workload import State
from views.workload_models import ComponentMonth, WorkloadDetail, WorkloadSummary

PROBLEM = "bold red"
OVER = "red"
RESOURCES_SHOWN_MAX = 20


def drift_percent(estimate: Decimal, drift: Decimal) -> str:
    """Of the estimate, with a sign and one decimal; empty where nothing was estimated."""
    return f"{drift * 100 / estimate:+.1f} %" if estimate else ""


def list_tables(found: Sequence[WorkloadSummary], today: date) -> list[ConsoleRenderable | str]:
    columns = (
        Column("Workload"),
        Column("Product", fold=True),
        Column("Account"),
        Column("Months"),
        Column("Estimate"),
        *figures("Submitted", "Counts", "Claims"),
        Column("Turn"),
    )
    rows = [Styled(_summary_row(one), "dim" if one.is_over(today) else "") for one in found]
    return [table("Workloads", columns, rows)] if found else ["There are no workloads here."]


def _summary_row(one: WorkloadSummary) -> tuple[object, ...]:
    name = one.workload if one.title == one.workload else f"{one.title} ({one.workload})"
    until = f"withdrawn {one.withdrawn_on}" if one.withdrawn_on else str(one.end_month)
    return (
        name,
        one.product,
        one.account_id,
        f"{one.launch_month} to {until}",
        one.state,
        money(one.submitted_total, one.currency) if one.version else "",
        money(one.approved_total, one.currency),
        f"{one.claims:,}",
        persona_words(one.awaiting) if one.awaiting else "",
    )


def workload_tables(workload: WorkloadDetail, today: date) -> Iterator[ConsoleRenderable | str]:
    name = f"{workload.title} ({workload.workload})" if workload.title != workload.workload else workload.workload
    yield f"Workload {name} of {workload.product}, in account {workload.account_id}"
    if workload.months:
        yield from _drift(workload)
    if workload.submitted and workload.state is not State.APPROVED:
        yield _submitted(workload)
    yield from _standing(workload, today)
    yield from _resources(workload)


def _drift(workload: WorkloadDetail) -> Iterator[ConsoleRenderable | str]:
    """Per month and component, and in all: estimate, actual, and how far they are apart."""
    columns = (Column("Month"), Column("Component"), *figures("Estimate", "Actual", "Drift", "Drift %"))
    rows = [
        Styled(_line(str(one.month), [one], workload), OVER if (one.drift or 0) > 0 else "") for one in workload.months
    ]
    for name in dict.fromkeys(one.component for one in workload.months):
        months = [one for one in workload.months if one.component is name]
        rows.append(Styled(_line("Total", months, workload), "bold"))
    metric = workload.metric.replace("_", " ")
    title = f"Approved estimate and actual cost ({metric}), {workload.currency or ''}".rstrip(", ")
    yield table(title, columns, rows, ("Total", "", *_figures(workload.months, workload)))
    if not all(one.billed for one in workload.months):
        yield "Drift is of months that were billed."


def _line(month: str, of_component: Sequence[ComponentMonth], workload: WorkloadDetail) -> tuple[str, ...]:
    return (month, of_component[0].component, *_figures(of_component, workload))


def _figures(months: Sequence[ComponentMonth], workload: WorkloadDetail) -> tuple[str, ...]:
    """Estimate and actual of all these months, and the drift of those that were billed."""
    estimate, actual = (total([getattr(one, name) for one in months]) for name in ("estimate", "actual"))
    of_billed = total([one.estimate for one in months if one.billed])
    drift = total([one.drift for one in months if one.drift is not None])
    is_billed = any(one.billed for one in months)
    return (
        money(estimate, workload.currency),
        money(actual, workload.currency) if is_billed else "",
        money(drift, workload.currency) if is_billed else "",
        drift_percent(of_billed, drift) if is_billed else "",
    )


def _submitted(workload: WorkloadDetail) -> ConsoleRenderable:
    title = "Submitted" if workload.state is State.SUBMITTED else "Submitted last"
    rows = [
        (component, str(month), money(amount, workload.currency))
        for component, months in workload.submitted.items()
        for month, amount in months.items()
    ]
    columns = (Column("Component"), Column("Month"), *figures("Amount"))
    whole = ("Total", "", money(workload.submitted_total, workload.currency))
    return table(f"{title}, {workload.currency}", columns, rows, whole)


def _standing(workload: WorkloadDetail, today: date) -> Iterator[ConsoleRenderable | str]:
    lasts = f"From {workload.launch_month} to {workload.end_month}"
    if workload.withdrawn_on:
        lasts += f"; withdrawn from {workload.withdrawn_on} on"
    elif workload.is_over(today):
        lasts += "; it has ended"
    yield f"{lasts}."
    turn = (
        f", the {persona_words(workload.awaiting)}'s turn since {moment(workload.since)}" if workload.awaiting else ""
    )
    yield f"Estimate: {workload.state} at version {workload.version}, round {workload.round}{turn}."
    if workload.reminders:
        yield f"Reminded {workload.reminders} times."
    if workload.escalated:
        yield "Escalated: it has waited too long, or nobody is left."
    if workload.reason:
        yield f"Last reason or note: {workload.reason}"
    if workload.calculator_url:
        yield f"AWS Pricing Calculator: {workload.calculator_url}"


def _resources(workload: WorkloadDetail) -> Iterator[ConsoleRenderable | str]:
    if not workload.resources:
        yield "It has claimed no resource: `allot resource claim`."
        return
    columns = (Column("Resource", fold=True), Column("Account"), Column("Component"), Column("From"), Column("Until"))
    rows = [
        Styled(
            (one.resource, one.account_id, one.component, one.since, one.until or ""), PROBLEM if one.problem else ""
        )
        for one in workload.resources[:RESOURCES_SHOWN_MAX]
    ]
    title = f"Claims, {workload.claims:,} in all" if workload.claims > RESOURCES_SHOWN_MAX else "Claims"
    yield table(title, columns, rows)
    problems = {one.account_id for one in workload.resources if one.problem}
    for account_id in sorted(problems):
        yield Text(
            f"Account {account_id} is not allocated to {workload.product} any more: its claims hold until they are "
            "released.",
            style=PROBLEM,
        )


class ScheduleDraft(NamedTuple):
    """What the approved estimates of a product come to in a fiscal year, beside its annual budget."""

    product: str
    fiscal_year: int
    currency: str
    months: Mapping[Month, Decimal]
    """All twelve."""
    annual: Decimal | None
    """None where the product has no budget in that year."""

    @property
    def planned(self) -> Decimal:
        return total(list(self.months.values()))

    @property
    def over(self) -> Decimal:
        """By how much it is over the annual budget; zero or below where it fits."""
        return self.planned - (self.annual or Decimal(0))


def draft_data(draft: ScheduleDraft) -> dict[str, Any]:
    fits = draft.annual is not None and draft.over <= 0
    return {**draft._asdict(), "planned": draft.planned, "fits": fits, "over": max(draft.over, Decimal(0))}


def draft_tables(draft: ScheduleDraft, file: str = "") -> Iterator[ConsoleRenderable | str]:
    rows = [(str(month), money(amount, draft.currency)) for month, amount in draft.months.items()]
    title = f"Schedule of {draft.product} for {draft.fiscal_year}, by its approved estimates, {draft.currency}"
    yield table(title, (Column("Month"), *figures("Amount")), rows, ("Total", money(draft.planned, draft.currency)))
    if draft.annual is None:
        yield Text(f"The product has no budget in {draft.fiscal_year}.", style=PROBLEM)
    elif draft.over > 0:
        over = money(draft.over, draft.currency)
        annual = money(draft.annual, draft.currency)
        yield Text(
            f"OVER BUDGET by {over} {draft.currency}: the annual budget is {annual}. It cannot be submitted like that.",
            style=PROBLEM,
        )
    else:
        yield f"Annual budget {money(draft.annual, draft.currency)}; {money(-draft.over, draft.currency)} are left."
    given = f"--file {file}" if file else "--amounts " + ",".join(format(a, "f") for a in draft.months.values())
    yield f"To submit it: allot schedule submit '{draft.product}' --year {draft.fiscal_year} {given}"
