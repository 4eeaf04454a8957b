"""What a new version of a report has changed of an account's month: a restatement, or an adjustment after the month was
invoiced or closed (product rules, sections 7 and 10).

A restatement is about days that the version before already covered, which ends with its last day with spend: what later
days add is growth. Of an adjustment every day counts, because all of it changes what was thought to be settled.
One short stream for each account and billing period (`account_cost/123456789012/2026-05`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.calendar import Month
from domain.cost import CostPeriod, ImportedVersion, period_stream
from domain.decision import Command, Context, Decision, Event, Fact, Rule, States, Stream
from domain.errors import Forbidden, Refusal
from domain.model import Model
from domain.money import Amount

RESTATED_MAX = 500
"""Accounts of one command; a version that changes more takes several."""
ACCOUNT_ID_CHARS_MAX = 64

MetricAmounts = dict[str, Amount]
"""By `CostMetric`; only those that both versions have."""


class Restatement(Model):
    """How an account's month differs between two versions."""

    account_id: Annotated[str, Field(min_length=1, max_length=ACCOUNT_ID_CHARS_MAX)]
    before: MetricAmounts
    after: MetricAmounts
    first_changed: date
    last_changed: date


class AccountRestated(Fact):
    """A version has changed what an account had spent on days that the version before already covered."""

    fact_name: ClassVar[str] = "cost.AccountRestated"
    billing_period: Month
    payer_account_id: str
    account_id: str
    from_version: str
    to_version: str
    before: MetricAmounts
    """Of the days that both are about."""
    after: MetricAmounts
    first_changed: date
    last_changed: date
    adjustment: bool = False
    """Whether AWS had invoiced the period, or the month was closed."""
    booked_in: Month | None = None
    """Of an adjustment: the month whose figures it changes."""


type Restated = frozenset[tuple[str, str]]
"""By payer and version."""


def evolve(restated: Restated, fact: AccountRestated) -> Restated:
    return restated | {(fact.payer_account_id, fact.to_version)}


def account_cost_stream(account_id: str, billing_period: Month) -> Stream:
    return Stream("account_cost", f"{account_id}/{billing_period}")


class RecordRestatements(Command):
    """What was found between two versions. Made by Allot itself; never accepted from outside."""

    kind: Literal["cost.RecordRestatements"] = "cost.RecordRestatements"
    billing_period: Month
    payer_account_id: str
    from_version: str
    to_version: str
    accounts: Annotated[tuple[Restatement, ...], Field(min_length=1, max_length=RESTATED_MAX)]

    @property
    def subject(self) -> Stream:
        return period_stream(self.billing_period)


def decide_restatements(states: States, command: RecordRestatements, context: Context) -> Decision:
    if not context.actor.is_system:
        raise Forbidden("Only Allot itself records what a version of a cost report has changed.", code="SystemOnly")
    version = _version(states[command.subject], command)
    events = [
        Event(account_cost_stream(one.account_id, command.billing_period), _restated(one, command, version))
        for one in {one.account_id: one for one in command.accounts}.values()
        if not _is_known(states, one, command)
    ]
    what = "an adjustment" if version.booked_in else "a restatement"
    plural = "s have" if len(events) != 1 else " has"
    return Decision(events, f"{len(events):,} account{plural} {what} by version {command.to_version}.")


def _version(period: CostPeriod, command: RecordRestatements) -> ImportedVersion:
    """Raises Refusal where the two versions do not follow each other."""
    payer = period.of(command.payer_account_id)
    found = {version.report_version: version for version in payer.versions}
    version = found.get(command.to_version)
    before = payer.before(command.to_version) if version else None
    if version is None or before is None or before.report_version != command.from_version:
        raise Refusal(
            f"Version {command.to_version} of {command.billing_period} was not imported after {command.from_version}: "
            "compare a version with the one before it.",
            code="NotSuccessive",
        )
    return version


def _is_known(states: States, one: Restatement, command: RecordRestatements) -> bool:
    restated: Restated = states[account_cost_stream(one.account_id, command.billing_period)]
    return (command.payer_account_id, command.to_version) in restated


def _restated(one: Restatement, command: RecordRestatements, version: ImportedVersion) -> AccountRestated:
    return AccountRestated(
        billing_period=command.billing_period,
        payer_account_id=command.payer_account_id,
        account_id=one.account_id,
        from_version=command.from_version,
        to_version=command.to_version,
        before=one.before,
        after=one.after,
        first_changed=one.first_changed,
        last_changed=one.last_changed,
        adjustment=version.booked_in is not None,
        booked_in=version.booked_in,
    )


def _reads(command: RecordRestatements, _context: Context) -> Sequence[Stream]:
    return (
        command.subject,
        *(account_cost_stream(one.account_id, command.billing_period) for one in command.accounts),
    )


RULES: dict[type[Command], Rule] = {RecordRestatements: Rule(_reads, decide_restatements)}
FACTS: tuple[type[Fact], ...] = (AccountRestated,)
