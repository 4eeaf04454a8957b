"""Whatever is claimed, released, ended and remapped in whatever order: one claimant at most for each resource and day.

The oracle keeps, for each day, what the facts say, and knows nothing of how they are decided.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.calendar import Month
from domain.claim import Claimed, Released, claim_stream
from domain.decision import Command, Event, Persona
from domain.errors import Refusal
from domain.hierarchy import NodePath
from domain.workload import Withdrawn, workload_stream
from tests.domain.accounts_given import ID
from tests.domain.specs import ADMIN, CHECKOUT, OWNER, SEARCH, actor, decide, fold
from tests.domain.workload_given import ACCOUNT, claim, created, end, release, withdraw_workload

KEYS = ("i-1", "i-2", "i-3")
WORKLOADS: tuple[tuple[NodePath, str], ...] = ((CHECKOUT, "A"), (CHECKOUT, "B"), (SEARCH, "A"))
OWNERS = {CHECKOUT: OWNER, SEARCH: actor("searcher", (Persona.PRODUCT_OWNER, SEARCH))}
FIRST = datetime(2026, 6, 17, 12, tzinfo=UTC)
type Segment = tuple[date, date, tuple[NodePath, str]]
some_keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3)
workloads = st.sampled_from(WORKLOADS)


class Claims(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = FIRST
        self.given: list[Event] = [*ACCOUNT, *(created(product=p, workload=w) for p, w in WORKLOADS)]
        self.frozen: dict[tuple[str, date], tuple[NodePath, str] | None] = {}
        """Whose each resource was on the days that are over, as it was seen when they were."""
        self._seen = 0
        self._known: dict[str, list[Segment]] = {}

    def _record(self, command: Command, product: NodePath) -> None:
        try:
            decision = decide(command, OWNERS.get(product, ADMIN), self.given, now=self.now)
        except Refusal:
            return
        self.given += decision.events

    @rule(keys=some_keys, workload=workloads)
    def claims(self, keys: list[str], workload: tuple[NodePath, str]) -> None:
        before = {key: self.owners(key, self.tomorrow) for key in keys}
        count = len(self.given)
        self._record(claim(*keys, product=workload[0], workload=workload[1]), workload[0])
        after = {key: self.owners(key, self.tomorrow) for key in keys}
        assert after == before or all(owners == [workload] for owners in after.values())  # all or nothing
        if any(owners not in ([], [workload]) for owners in before.values()):
            assert len(self.given) == count  # nobody takes from somebody else

    @rule(keys=some_keys)
    def releases(self, keys: list[str]) -> None:
        self._record(release(*keys), NodePath.ROOT)
        assert all(self.owners(key, self.tomorrow) == [] for key in keys)

    @rule(workload=workloads, months=st.integers(0, 3))
    def ends(self, workload: tuple[NodePath, str], months: int) -> None:
        month = Month.of(self.now.date()).plus(months)
        self._record(end(end_month=month, product=workload[0], workload=workload[1]), workload[0])

    @rule(workload=workloads)
    def is_withdrawn(self, workload: tuple[NodePath, str]) -> None:
        self._record(withdraw_workload(reason="x", product=workload[0], workload=workload[1]), workload[0])

    @rule(days=st.sampled_from([1, 1, 2, 13, 31]))
    def time_passes(self, days: int) -> None:
        for _ in range(days):
            for key in KEYS:
                owners = self.owners(key, self.now.date())
                self.frozen[key, self.now.date()] = owners[0] if owners else None
            self.now += timedelta(days=1)

    @property
    def tomorrow(self) -> date:
        return self.now.date() + timedelta(days=1)

    @invariant()
    def nobody_shares_a_resource(self) -> None:
        for key in KEYS:
            for n in range(0, 120, 3):
                assert len(self.owners(key, FIRST.date() + timedelta(days=n))) <= 1

    @invariant()
    def days_that_are_over_stay_as_they_were(self) -> None:
        for (key, day), owner in self.frozen.items():
            assert self.owners(key, day) == ([owner] if owner else [])

    def owners(self, key: str, day: date) -> list[tuple[NodePath, str]]:
        """All whose claim holds on that day."""
        return [workload for since, until, workload in self._segments(key) if since <= day < until]

    def _segments(self, key: str) -> list[Segment]:
        """By the facts: each claim holds until it is released, another takes its place, or its workload has ended."""
        if len(self.given) != self._seen:
            self._seen, self._known = len(self.given), {}
        if key not in self._known:
            streams = [workload_stream(*workload) for workload in WORKLOADS]
            states = fold(self.given, streams)
            ends: dict[tuple[NodePath, str], date] = {
                workload: states[stream].ends_on for workload, stream in zip(WORKLOADS, streams, strict=True)
            }
            made = [(since, min(until, ends[by]), by) for since, until, by in self._made(key)]
            self._known[key] = made
        return self._known[key]

    def _made(self, key: str) -> list[Segment]:
        segments: list[Segment] = []
        for stream, fact in self.given:
            if stream != claim_stream(ID, key):
                continue
            assert isinstance(fact, Claimed | Released)
            if segments and segments[-1][1] > fact.effective_on:
                segments[-1] = (segments[-1][0], fact.effective_on, segments[-1][2])
            if isinstance(fact, Claimed):
                segments.append((fact.effective_on, date.max, (fact.product, fact.workload)))
        return segments


TestClaims = Claims.TestCase
TestClaims.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_the_machine_would_see_a_claim_that_is_taken_from_somebody() -> None:
    machine = Claims()
    machine.claims(["i-1"], WORKLOADS[0])
    assert machine.owners("i-1", machine.tomorrow) == [WORKLOADS[0]]
    machine.time_passes(3)
    machine.given.append(end_of(WORKLOADS[0]))
    try:
        machine.days_that_are_over_stay_as_they_were()
    except AssertionError:
        return
    raise AssertionError("a claim that ends in the past was not seen")


def end_of(workload: tuple[NodePath, str]) -> Event:
    """What no decision would record: an end in the past."""
    fact = Withdrawn(product=workload[0], workload=workload[1], effective_on=FIRST.date(), reason="x")
    return Event(workload_stream(*workload), fact)
