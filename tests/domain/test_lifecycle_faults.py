"""Faults that the lifecycle machine must find: each promise of its witness, and outcomes that its reference knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from domain import budget_load, schedule_commands, schedule_decisions
from domain.budget import Book, BudgetLine, evolve_book, evolve_line
from domain.decision import Command, Decision, Event, Fold, Rule
from domain.people import Delegation, DelegationEnded, person_stream, require
from domain.registry import FOLDS, RULES
from domain.schedule import Rejected, Schedule, evolve
from domain.schedule_commands import ReviseSchedule
from domain.schedule_decisions import ApproveSchedule, GrantReschedule, RejectSchedule
from domain.waiting import Waiting
from tests.domain.lifecycle_machine import Lifecycle
from tests.domain.lifecycle_recorder import MemoryRecorder

STEPS = 50
SEED = 3
"""The same lives each time: of a few seeds, the one by which all faults are found soonest."""


class WitnessAlone(Lifecycle):
    """Without the reference, so that it is the promise itself that is broken."""

    predicts = False


def finds(machine: type[Lifecycle]) -> str:
    """The words of the failure that the machine ends with."""
    limits = settings(
        max_examples=400,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
    )
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(seed(SEED)(type("Seeded", (machine,), {})), settings=limits)
    return str(found.value)


type Patch = pytest.MonkeyPatch


def loads_say_nothing_to_schedules(patch: Patch) -> None:
    patch.setattr(budget_load, "after_annual_change", lambda *_: [])


def a_withdrawn_product_keeps_its_budget(patch: Patch) -> None:
    def faulty(line: BudgetLine, fact: Any) -> BudgetLine:
        moved = evolve_line(line, fact)
        return replace(moved, annual=line.annual) if moved.withdrawn else moved

    patch.setitem(FOLDS, "budget_line", Fold(BudgetLine(), faulty))


def closed_months_are_not_looked_at(patch: Patch) -> None:
    for module in (schedule_commands, schedule_decisions):
        patch.setattr(module, "check_closed_months", lambda *_: None)


def nobody_asks_who_submitted(patch: Patch) -> None:
    def faulty(*arguments: Any, submitted_by: object, stand_in: bool) -> object:
        return require(*arguments, stand_in=stand_in)

    patch.setattr(schedule_decisions, "require", faulty)


def a_stale_version_is_decided_on(patch: Patch) -> None:
    for kind in (ApproveSchedule, RejectSchedule, GrantReschedule):
        rule = RULES[kind]

        def faulty(states: Any, command: Any, context: Any, rule: Rule = rule) -> Decision:
            newest = command.model_copy(update={"version": max(1, states.version(command.subject))})
            decision = rule.decide(states, newest, context)
            stale = {"decided_version": command.version}
            events = [Event(stream, fact.model_copy(update=stale)) for stream, fact in decision.events]
            return decision._replace(events=events)

        patch.setitem(RULES, kind, rule._replace(decide=faulty))


def a_rejection_is_forgotten(patch: Patch) -> None:
    def faulty(schedule: Schedule, fact: Any) -> Schedule:
        return schedule if isinstance(fact, Rejected) else evolve(schedule, fact)

    patch.setitem(FOLDS, "schedule", Fold(Schedule(), faulty))


def a_fold_looks_at_more_than_facts(patch: Patch) -> None:
    calls = count()

    def faulty(schedule: Schedule, fact: Any) -> Schedule:
        return replace(evolve(schedule, fact), reason=str(next(calls)))

    patch.setitem(FOLDS, "schedule", Fold(Schedule(), faulty))


def a_refusal_records_more(patch: Patch) -> None:
    kept = MemoryRecorder._refused

    def faulty(self: MemoryRecorder, command: Any, told: Any) -> list[Event]:
        ended = DelegationEnded(person_id=told.actor, delegated_by=told.actor)
        return kept(self, command, told) + ([Event(person_stream(told.actor), ended)] if told.code else [])

    patch.setattr(MemoryRecorder, "_refused", faulty)


def the_level_above_always_decides(patch: Patch) -> None:
    patch.setattr(schedule_decisions, "nobody_left", lambda *_: True)


def a_delegation_has_no_end(patch: Patch) -> None:
    patch.setattr(Delegation, "holds_on", lambda self, day: self.first_day <= day)


def the_same_bytes_are_loaded_again(patch: Patch) -> None:
    def faulty(book: Book, fact: Any) -> Book:
        return replace(evolve_book(book, fact), loaded=("forgotten",))

    patch.setitem(FOLDS, "budget", Fold(Book(), faulty))


def receipts_are_lost(patch: Patch) -> None:
    kept = MemoryRecorder.record

    def faulty(self: MemoryRecorder, command: Any, now: Any) -> object:
        self.receipts.clear()
        return kept(self, command, now)

    patch.setattr(MemoryRecorder, "record", faulty)


BROKEN_PROMISES = [
    (loads_say_nothing_to_schedules, "over budget and not told"),
    (a_withdrawn_product_keeps_its_budget, "a portfolio is not the sum of its own"),
    (closed_months_are_not_looked_at, "a closed month changed"),
    (nobody_asks_who_submitted, "somebody decided on their own submission"),
    (a_stale_version_is_decided_on, "decided on a version that moved"),
    (a_rejection_is_forgotten, "decided on a version that moved"),
    (a_fold_looks_at_more_than_facts, "replay differs from live"),
    (a_refusal_records_more, "a refusal recorded more than itself"),
    (the_level_above_always_decides, "somebody decided without being entitled to"),
    (a_delegation_has_no_end, "in another's place without a delegation"),
    (the_same_bytes_are_loaded_again, "the same bytes changed something"),
    (receipts_are_lost, "repetition"),
]


@pytest.mark.parametrize(("plant", "words"), BROKEN_PROMISES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_promise_is_found_by_the_witness_alone(
    plant: Callable[[Patch], None], words: str, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    assert words in finds(WitnessAlone)


def a_year_never_ends(patch: Patch) -> None:
    for module in (schedule_commands, schedule_decisions):
        patch.setattr(module, "require_open_year", lambda *_: None)


def rounds_are_mixed_up(patch: Patch) -> None:
    for module in (schedule_commands, schedule_decisions):
        patch.setattr(module, "require_round", lambda *_: None)


def an_escalation_lasts_for_ever(patch: Patch) -> None:
    patch.setattr(Waiting, "escalated", lambda self, _turn: self.escalated_turn > 0)


def nothing_is_left_to_revise(patch: Patch) -> None:
    def faulty(*_: Any) -> Decision:
        return Decision()

    kind: type[Command] = ReviseSchedule
    patch.setitem(RULES, kind, RULES[kind]._replace(decide=faulty))


def the_first_decision_is_not_remembered(patch: Patch) -> None:
    patch.setattr(Schedule, "decision_on", lambda *_: None)


OTHER_OUTCOMES = [
    a_year_never_ends,
    rounds_are_mixed_up,
    an_escalation_lasts_for_ever,
    nothing_is_left_to_revise,
    the_first_decision_is_not_remembered,
]


@pytest.mark.parametrize("plant", OTHER_OUTCOMES, ids=lambda plant: plant.__name__)
def test_another_outcome_than_the_rules_of_the_product_is_found(
    plant: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    finds(Lifecycle)
