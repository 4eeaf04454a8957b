"""Tells open rounds that whoever could decide has lost that right, so that none waits for somebody who has left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import batched, product
from typing import NamedTuple

from temporalio import activity
from temporalio.client import Client

from activities.contracts import ActivityName, InformHoldersRequest, InformResult, Progress
from activities.ledger_commands import reported
from activities.schedule_waiting import EVENTS_AT_ONCE, SCHEDULES_AT_ONCE, tell
from domain.decision import Persona
from domain.errors import Unavailable
from domain.estimate_process import estimate_process_id
from domain.hierarchy import NodePath
from domain.people import HolderRemoved, Holders, holders_stream
from domain.process import schedule_process_id
from domain.schedule import Schedule, State, nobody_left, schedule_stream
from domain.workload import State as Estimated
from domain.workload import Workload, workload_stream
from domain.workload import nobody_left as nobody_left_for
from ledger.ledger import Ledger
from views.queries import Views

VIEWS_WITHIN_S = 5.0
"""How long the views may need to show what was decided before; then the activity is tried again."""
DECIDED_ON = frozenset({State.PENDING, State.RESCHEDULE_REQUESTED})
"""States in which the owner of the portfolio has to act."""


class _Place(NamedTuple):
    """Where somebody does not own a portfolio any more, and the schedules that may wait for them."""

    portfolio: NodePath
    schedules: Sequence[tuple[int, NodePath]]
    estimates: Sequence[tuple[NodePath, str]] = ()
    """Products and names of workloads whose estimates may wait for them."""


class HolderRounds:
    """The views say which products there are below a portfolio; what becomes of a round is asked of the ledger."""

    def __init__(self, ledger: Ledger, client: Client, database_url: str) -> None:
        self._ledger = ledger
        self._client = client
        self._database_url = database_url

    @activity.defn(name=ActivityName.INFORM_HOLDERS)
    async def inform(self, request: InformHoldersRequest) -> InformResult:
        """Only rounds that nobody may decide on any more have anything to learn: they escalate at once."""
        with reported():
            places = await asyncio.to_thread(self._places, request)
        informed = 0
        for place in places:
            for some in batched(place.schedules, SCHEDULES_AT_ONCE):
                activity.heartbeat(Progress(step="informing", done=informed))
                with reported():
                    rounds = await asyncio.to_thread(self._left_alone, place.portfolio, some)
                informed += await tell(self._client, rounds)
            for estimates in batched(place.estimates, SCHEDULES_AT_ONCE):
                activity.heartbeat(Progress(step="informing", done=informed))
                with reported():
                    rounds = await asyncio.to_thread(self._estimates_left_alone, place.portfolio, estimates)
                informed += await tell(self._client, rounds)
        return InformResult(informed=informed)

    def _places(self, request: InformHoldersRequest) -> list[_Place]:
        portfolios = self._portfolios(request)
        if not portfolios:
            return []
        with Views(self._database_url) as views:
            # What was submitted before it is in the views then; what is submitted after it finds nobody left by itself.
            views.wait_for(request.position, VIEWS_WITHIN_S)
            years = views.fiscal_years()
            return [
                _Place(
                    node,
                    list(product(years, views.known_products(prefix=f"{node}/"))),
                    [(one.product, one.workload) for one in views.workloads(node) if one.state is Estimated.SUBMITTED],
                )
                for node in portfolios
            ]

    def _portfolios(self, request: InformHoldersRequest) -> list[NodePath]:
        """From the events of the command, found from its last place in the log backwards."""
        if self._ledger.settled_head() < request.position:
            raise Unavailable(f"The log cannot be read up to {request.position} yet; it will be tried again.")
        found: list[NodePath] = []
        last, missing = request.position, request.events
        while missing > 0 and last > 0:
            first = max(0, last - EVENTS_AT_ONCE)
            events = [e for e in self._ledger.follow(first, last - first) if e.command_id == request.command_id]
            removed = [event.fact for event in events if isinstance(event.fact, HolderRemoved)]
            found += [fact.node for fact in removed if fact.persona is Persona.PORTFOLIO_OWNER]
            last, missing = first, missing - len(events)
        return found

    def _left_alone(self, portfolio: NodePath, schedules: Sequence[tuple[int, NodePath]]) -> list[str]:
        """Ids of the processes of those that wait for an owner of the portfolio, where none is left."""
        owners = holders_stream(Persona.PORTFOLIO_OWNER, portfolio)
        streams = [schedule_stream(year, node) for year, node in schedules]
        states = self._ledger.states([owners, *streams])
        holders: Holders = states[owners]
        waiting: list[str] = []
        for (year, node), stream in zip(schedules, streams, strict=True):
            schedule: Schedule = states[stream]
            if schedule.state in DECIDED_ON and nobody_left(schedule, holders):
                waiting.append(schedule_process_id(year, node, schedule.round))
        return waiting

    def _estimates_left_alone(self, portfolio: NodePath, workloads: Sequence[tuple[NodePath, str]]) -> list[str]:
        """The same for estimates."""
        owners = holders_stream(Persona.PORTFOLIO_OWNER, portfolio)
        streams = [workload_stream(*key) for key in workloads]
        states = self._ledger.states([owners, *streams])
        waiting: list[str] = []
        for (node, name), stream in zip(workloads, streams, strict=True):
            workload: Workload = states[stream]
            if workload.state is Estimated.SUBMITTED and nobody_left_for(workload, states[owners]):
                waiting.append(estimate_process_id(node, name, workload.round))
        return waiting
