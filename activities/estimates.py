"""What the process of an estimate learns from the ledger, and what time does to it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid5

from temporalio import activity

from activities.contracts import ActivityName, EstimateStep
from activities.ledger_commands import origin_of_activity, reported
from activities.waiting_times import waiting_times
from domain.calendar import Month
from domain.decision import NAMESPACE, SYSTEM, Channel, Organization, Persona
from domain.estimate_commands import estimate_ends_at
from domain.estimate_process import EstimateRound, EstimateView
from domain.estimate_waiting import EscalateEstimate, LapseEstimate, RemindEstimate
from domain.hierarchy import NodePath
from domain.money import plain
from domain.people import holders_stream
from domain.waiting import Waiting, waiting_stream
from domain.workload import LIVING, Amounts, Component, Workload, awaited, nobody_left, workload_key, workload_stream
from ledger.ledger import Ledger


class Estimates:
    """Acts as Allot itself, which no message can: what it does follows from the ledger alone."""

    def __init__(self, ledger: Ledger, organization: Organization) -> None:
        self._ledger = ledger
        self._organization = organization

    @activity.defn(name=ActivityName.READ_ESTIMATE)
    def read(self, request: EstimateRound) -> EstimateView:
        with reported():
            return read_estimate(self._ledger, self._organization, request.product, request.workload)

    @activity.defn(name=ActivityName.STEP_ESTIMATE)
    def step(self, request: EstimateStep) -> EstimateView:
        with reported():
            self._ledger.record(command_of(request), origin_of_activity())
            return read_estimate(self._ledger, self._organization, request.product, request.workload)


def read_estimate(ledger: Ledger, organization: Organization, product: NodePath, name: str) -> EstimateView:
    """A workload that is not there has a view, too, so that its process can refuse what is sent to it."""
    stream, holders_of = workload_stream(product, name), holders_stream(Persona.PORTFOLIO_OWNER, product.portfolio)
    waiting_of = waiting_stream(stream)
    states = ledger.states([stream, waiting_of, holders_of])
    workload: Workload = states[stream]
    if workload.created is None:
        return EstimateView(product=product, workload=name, round=workload.round, looked=True)
    waits = awaited(workload, product)
    view = EstimateView(
        product=product,
        workload=name,
        round=workload.round,
        state=workload.state,
        version=workload.version,
        title=workload.title,
        account_id=workload.created.account_id,
        launch_month=str(workload.created.launch_month),
        end_month=str(workload.end_month),
        currency=workload.currency or organization.currency,
        fiscal_year=workload.fiscal_year,
        amounts=_texts(workload.amounts or {}),
        approved=_texts(workload.approved or {}),
        calculator_url=workload.calculator_url,
        reason=workload.reason,
        awaiting=waits[0] if waits else "",
        turn=workload.turn,
        year_ends_at=estimate_ends_at(workload, organization),
        looked=True,
    )
    if workload.state not in LIVING:
        return view
    nobody = view.awaiting == Persona.PORTFOLIO_OWNER and nobody_left(workload, states[holders_of])
    since = next(event.recorded_at for event in ledger.read(stream) if event.stream_version == workload.turn)
    waiting: Waiting = states[waiting_of]
    reminded = ledger.read(waiting_of) if waiting.reminded(workload.turn) else ()
    times = waiting_times(organization.business, waiting, reminded, workload.turn, since, nobody=nobody)
    return view.model_copy(update={"since": since, **times._asdict()})


def command_of(step: EstimateStep) -> RemindEstimate | EscalateEstimate | LapseEstimate:
    """Its id follows from the step, so that a step that is tried again is the same."""
    key = workload_key(step.product, step.workload)
    name = f"waiting/workload/{key}/{step.step}/{step.turn}/{step.count}/{step.attempt}"
    shared = {
        "command_id": uuid5(NAMESPACE, name),
        "actor": SYSTEM,
        "channel": Channel.WORKFLOW,
        "product": step.product,
        "workload": step.workload,
    }
    match step.step:
        case "remind":
            return RemindEstimate.model_validate({**shared, "turn": step.turn, "count": step.count})
        case "escalate":
            return EscalateEstimate.model_validate({**shared, "turn": step.turn})
        case "end_year":
            return LapseEstimate.model_validate(shared)


def _texts(amounts: Amounts) -> Mapping[Component, Mapping[Month, str]]:
    return {
        component: {month: plain(amount) for month, amount in sorted(months.items())}
        for component, months in amounts.items()
    }
