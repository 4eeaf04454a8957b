"""Facts and commands of one workload, Checkout's "Basket", and of what it claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import partial
from typing import Any

import pytest

from domain.calendar import Month
from domain.claim import Claimed, Released, ResourceName, claim_stream
from domain.claim_commands import ClaimResources, ReleaseResources
from domain.decision import Actor, Command, Decision, Event, Fact, Persona
from domain.errors import Refusal
from domain.estimate_commands import ReviseEstimate, SubmitEstimate, WithdrawEstimate
from domain.estimate_decisions import ApproveEstimate, RejectEstimate
from domain.estimate_waiting import EscalateEstimate, LapseEstimate, RemindEstimate
from domain.hierarchy import NodePath
from domain.people import HolderAppointed, holders_stream
from domain.waiting import Escalated, Overdue, Reminded, waiting_stream
from domain.workload import (
    Component,
    Created,
    EndMoved,
    EstimateApproved,
    EstimateLapsed,
    EstimateRejected,
    EstimateRevised,
    EstimateSubmitted,
    EstimateWithdrawn,
    Renamed,
    Withdrawn,
    Workload,
    workload_stream,
)
from domain.workload_commands import CreateWorkload, EndWorkload, RenameWorkload, WithdrawWorkload
from tests.domain import accounts_given
from tests.domain.accounts_given import ID, OTHER
from tests.domain.specs import CHECKOUT, command_id, decide, fold, person

NAME = "Basket"
STREAM = workload_stream(CHECKOUT, NAME)
WAITING = waiting_stream(STREAM)
JULY, DECEMBER = Month(2026, 7), Month(2026, 12)
WEB_SERVER = "arn:aws:ec2:eu-west-1:100000000001:instance/i-0abc"
AMOUNTS: dict[Component, dict[Month, Any]] = {
    Component.APPLICATION: {JULY.plus(n): "100.50" for n in range(6)},
    Component.DATABASE: {JULY.plus(n): "40.00" for n in range(6)},
}
"""843.00 in all."""


# Facts


def _fact(kind: type[Fact], **fields: Any) -> Event:
    fact = kind.model_validate({"product": CHECKOUT, "workload": NAME} | fields)
    return Event(workload_stream(fields.get("product", CHECKOUT), fields.get("workload", NAME)), fact)


def created(account_id: str = ID, launch: Month = JULY, end: Month = DECEMBER, **fields: Any) -> Event:
    who = {"account_id": account_id, "created_by": person("owner")}
    return _fact(Created, **(who | {"launch_month": launch, "end_month": end} | fields))


def renamed(title: str = "The basket") -> Event:
    return _fact(Renamed, title=title)


def end_moved(end: Month, **fields: Any) -> Event:
    return _fact(EndMoved, end_month=end, **fields)


def withdrawn(on: date, **fields: Any) -> Event:
    return _fact(Withdrawn, effective_on=on, reason="not built", **fields)


def submitted(amounts: Any = None, round_: int = 1, by: str = "owner", behalf: str | None = None) -> Event:
    return _fact(
        EstimateSubmitted,
        round=round_,
        fiscal_year=2026,
        amounts=amounts or AMOUNTS,
        currency="USD",
        submitted_by=person(by),
        submitted_for=behalf and person(behalf),
    )


def taken_back() -> Event:
    return _fact(EstimateWithdrawn)


def revised() -> Event:
    return _fact(EstimateRevised)


def approved(version: int, by: str = "lead") -> Event:
    return _fact(EstimateApproved, decided_version=version, decided_by=person(by))


def rejected(version: int, reason: str = "too high") -> Event:
    return _fact(EstimateRejected, decided_version=version, decided_by=person("lead"), reason=reason)


def lapsed() -> Event:
    return _fact(EstimateLapsed, round=1, open_state="SUBMITTED")


def appointed(name: str = "lead") -> Event:
    fact = HolderAppointed(persona=Persona.PORTFOLIO_OWNER, node=CHECKOUT.portfolio, person_id=person(name))
    return Event(holders_stream(Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio), fact)


_WAITS = {"subject": str(STREAM), "fiscal_year": 2026, "product": CHECKOUT, "persona": Persona.PORTFOLIO_OWNER}


def reminded(turn: int, count: int = 1) -> Event:
    fields = _WAITS | {"turn": turn, "count": count, "node": CHECKOUT.portfolio}
    return Event(WAITING, Reminded.model_validate(fields))


def escalated(turn: int) -> Event:
    fields = _WAITS | {"turn": turn, "reason": Overdue.WAITED_TOO_LONG, "node": CHECKOUT.portfolio}
    return Event(WAITING, Escalated.model_validate(fields))


def claimed(
    on: date,
    resource: str = WEB_SERVER,
    workload: str = NAME,
    product: NodePath = CHECKOUT,
    account_id: str = ID,
    component: Component = Component.APPLICATION,
) -> Event:
    fact = Claimed(
        account_id=account_id,
        resource=resource,
        product=product,
        workload=workload,
        component=component,
        effective_on=on,
        claimed_by=person("owner"),
    )
    return Event(claim_stream(account_id, resource), fact)


def released(on: date, resource: str = WEB_SERVER, workload: str = NAME, product: NodePath = CHECKOUT) -> Event:
    fact = Released(
        account_id=ID,
        resource=resource,
        product=product,
        workload=workload,
        effective_on=on,
        released_by=person("owner"),
    )
    return Event(claim_stream(ID, resource), fact)


ACCOUNT = [accounts_given.vended(), accounts_given.allocated("60", "40")]
"""60 % of it are Checkout's and 40 % Search's."""
ELSEWHERE = [
    accounts_given.vended(account_id=OTHER),
    accounts_given.allocated("0.0001", "99.9999", on=date(2026, 6, 1), account_id=OTHER),
]
EXISTS = [*ACCOUNT, appointed(), created()]
SUBMITTED = [*EXISTS, submitted()]
APPROVED = [*SUBMITTED, approved(2)]
REJECTED = [*SUBMITTED, rejected(2)]

# Commands


def _command[C](kind: type[C], product: NodePath = CHECKOUT, workload: str = NAME, **fields: Any) -> C:
    shared = {"command_id": command_id(), "actor": "x", "product": product, "workload": workload}
    return kind(**(shared | fields))


def create(account_id: str = ID, launch: Month = JULY, end: Month | None = None, **fields: Any) -> CreateWorkload:
    return _command(CreateWorkload, account_id=account_id, launch_month=launch, end_month=end, **fields)


rename = partial(_command, RenameWorkload)
end = partial(_command, EndWorkload)
withdraw_workload = partial(_command, WithdrawWorkload)


def submit(amounts: Any = None, **fields: Any) -> SubmitEstimate:
    return _command(SubmitEstimate, amounts=AMOUNTS if amounts is None else amounts, **fields)


withdraw = partial(_command, WithdrawEstimate)
revise = partial(_command, ReviseEstimate)


def approve(version: int, **fields: Any) -> ApproveEstimate:
    return _command(ApproveEstimate, version=version, **fields)


def reject(version: int, reason: str = "too high", **fields: Any) -> RejectEstimate:
    return _command(RejectEstimate, version=version, reason=reason, **fields)


def remind(turn: int, count: int = 1) -> RemindEstimate:
    return _command(RemindEstimate, turn=turn, count=count)


def escalate(turn: int) -> EscalateEstimate:
    return _command(EscalateEstimate, turn=turn)


lapse = partial(_command, LapseEstimate)


def names(*keys: str, account_id: str = ID) -> tuple[ResourceName, ...]:
    return tuple(ResourceName(account_id=account_id, resource=key) for key in keys)


def claim(*keys: str, account_id: str = ID, **fields: Any) -> ClaimResources:
    return _command(ClaimResources, resources=names(*keys or (WEB_SERVER,), account_id=account_id), **fields)


def release(*keys: str, **fields: Any) -> ReleaseResources:
    shared = {"command_id": command_id(), "actor": "x", "resources": names(*keys or (WEB_SERVER,))}
    return ReleaseResources.model_validate(shared | fields)


def workload_of(given: Iterable[Event]) -> Workload:
    found: Workload = fold(given, [STREAM])[STREAM]
    return found


def facts(decision: Decision) -> list[Fact]:
    return [event.fact for event in decision.events]


def refused(command: Command, by: Actor, given: Sequence[Event], **how: Any) -> Refusal:
    """The refusal; it is a failure where the command is allowed."""
    with pytest.raises(Refusal) as caught:
        decide(command, by, given, **how)
    return caught.value
