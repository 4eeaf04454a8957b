"""What is decided from memory is what would have been decided on what is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import reduce
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from domain import people, people_commands
from domain.decision import Accepted, Channel, Command, Context, Decision, Rule, States
from domain.errors import CommandConflict
from ledger.ledger import Ledger
from ledger.recorder import Known, Receipt, StreamEnd
from tests.ledger.jars import (
    ANN,
    JARS,
    Filled,
    Guarded,
    Jar,
    Pour,
    deliver,
    evolve_jar,
    fill,
    guarded,
    jar,
    look_away,
    open_ledger,
    scalar,
    seal,
    sql,
)

RACERS = 8
type Watch = Callable[[Ledger], list[str]]


def _weigh(states: States, command: Guarded, _: Context) -> Decision:
    """Relies on what holds of two jars whenever both are read at once: nothing gets lost between them."""
    return Decision(message={100: "whole"}[states[command.subject].beans + states[jar(command.guard)].beans])


@pytest.fixture
def one(database_url: str) -> Iterator[Ledger]:
    with open_ledger(database_url) as ledger:
        ledger.record(
            people_commands.RegisterPerson(command_id=uuid4(), actor="system", channel=Channel.WORKFLOW, person=ANN)
        )
        yield ledger


@pytest.fixture
def other(database_url: str, one: Ledger) -> Iterator[Ledger]:
    """Shares nothing with the first but the database, like one in another process."""
    with open_ledger(database_url) as ledger:
        yield ledger


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Notes what became of each decision from memory."""

    def watched(ledger: Ledger) -> list[str]:
        answers: list[str] = []
        append, decide = ledger._recorder.append, ledger._from_memory
        remembering = [False]

        def noting(*arguments: Any) -> Any:
            answer = append(*arguments)
            if remembering[0]:
                answers.append("moved" if answer is None else "known" if isinstance(answer, Known) else "appended")
            return answer

        def from_memory(sent: Any) -> Any:
            remembering[0] = True
            try:
                return decide(sent)
            finally:
                remembering[0] = False

        monkeypatch.setattr(ledger._recorder, "append", noting)
        monkeypatch.setattr(ledger, "_from_memory", from_memory)
        return answers

    return watched


def pour(source: str, into: str, beans: int) -> Pour:
    return Pour(command_id=uuid4(), actor=ANN, jar=source, into=into, beans=beans)


def remember(ledger: Ledger, *names: str) -> None:
    """As many decisions of this ledger would have made it."""
    person = ledger.people.find(ANN)
    assert person is not None
    ledger.states([people.person_stream(person), *map(jar, names)])


def written(database_url: str) -> tuple[int, ...]:
    counts = "(SELECT count(*) FROM ledger_events), (SELECT count(*) FROM ledger_receipts), last_value"
    with sql(database_url) as connection:
        return tuple(connection.execute(f"SELECT {counts} FROM ledger_events_notification_id_seq").fetchone() or ())


def behind(one: Ledger, other: Ledger) -> tuple[str, str]:
    """What a ledger answers whose memory would refuse what is right, and accept what is wrong."""
    for name in ("a", "b", "guard"):
        one.record(fill(name))
    remember(one, "a", "b", "guard")
    other.record(fill("a", 10))
    other.record(seal("guard"))
    return one.record(pour("a", "b", 5)).kind, one.record(guarded("b", "guard")).kind


def test_a_ledger_that_writes_alone_decides_from_memory(one: Ledger, watch: Watch) -> None:
    one.record(fill("a"))
    remember(one, "a")
    answers = watch(one)
    assert [one.record(fill("a", 1, 2)).kind for _ in range(5)] == ["accepted"] * 5
    assert answers == ["appended"] * 5


def test_two_ledgers_that_write_one_stream_in_turn_are_both_accepted_and_agree(
    one: Ledger, other: Ledger, watch: Watch
) -> None:
    answers = watch(one)
    outcomes = [(one, other)[n % 2].record(fill("a", n + 1)) for n in range(20)]
    assert [outcome.version for outcome in outcomes if isinstance(outcome, Accepted)] == list(range(1, 21))
    assert one.states([jar("a")])[jar("a")] == other.states([jar("a")])[jar("a")] == Jar(beans=210)
    assert answers == ["moved"] * 9  # the first time nothing was remembered


def test_a_redelivery_is_answered_alike_everywhere_and_adds_nothing(
    one: Ledger, other: Ledger, database_url: str, watch: Watch
) -> None:
    commands: list[Command] = [fill("a"), fill("b"), pour("a", "b", 9), pour("a", "b", 1), fill("a"), seal("a")]
    commands += [seal("a"), fill("a"), pour("b", "a", 1)]
    outcomes = [one.record(command) for command in commands]
    assert [outcome.kind for outcome in outcomes].count("refused") == 2
    rows, answers = written(database_url)[:2], (watch(one), watch(other))
    assert [other.record(command) for command in commands] == outcomes
    assert answers[1] == []  # it had nothing to remember
    remember(other, "a", "b")
    for ledger in (one, other):
        assert [ledger.record(command) for command in commands] == outcomes
    assert written(database_url)[:2] == rows
    assert all(set(each) == {"known"} and len(each) == len(commands) for each in answers)


def test_an_id_belongs_to_one_command_from_memory_too(one: Ledger, database_url: str, watch: Watch) -> None:
    command = fill("a")
    one.record(command)
    remember(one, "a")
    rows, answers = written(database_url)[:2], watch(one)
    with pytest.raises(CommandConflict, match=str(command.command_id)):
        one.record(command.model_copy(update={"beans": (2,)}))
    assert answers == ["known"]
    assert written(database_url)[:2] == rows


def test_memory_that_is_behind_neither_refuses_nor_accepts_falsely(one: Ledger, other: Ledger) -> None:
    assert behind(one, other) == ("accepted", "refused")


def test_control_without_the_confirmation_memory_that_is_behind_goes_wrong(
    one: Ledger, other: Ledger, database_url: str
) -> None:
    look_away(database_url)
    assert behind(one, other) == ("refused", "accepted")


def test_a_mixture_of_old_and_new_memory_breaks_no_rule(
    one: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighing: dict[type[Command], Rule] = {**JARS.rules, Guarded: JARS.rules[Guarded]._replace(decide=_weigh)}
    monkeypatch.setattr(one, "_registry", JARS._replace(rules=weighing))
    one.record(fill("a", 100))
    one.record(fill("b", 0))
    remember(one, "a", "b")
    other.record(pour("a", "b", 30))
    remember(one, "b")  # so that 130 beans are remembered, which never were
    assert one.record(guarded("a", "b")).kind == "accepted"


def test_a_confirmation_that_does_not_hold_writes_nothing(one: Ledger, database_url: str) -> None:
    one.record(fill("a", 1, 2))
    one.record(fill("b", 1, 2, 3))
    situation = one._states.read([jar("a"), jar("b"), jar("none")])
    ends = situation.ends
    events = [StoredEvent(uuid4(), 1, Filled.fact_name, b"{}")]
    receipt = Receipt(uuid4(), b"hash", Accepted().model_dump_json(), datetime.now(UTC))
    before = written(database_url)
    for place, end in enumerate(ends):
        wrong = [end._replace(version=end.version + by) for by in (-1, 1)]
        if end.version:  # what has no events has nothing else to be wrong about
            wrong += [end._replace(position=end.position + by) for by in (-1, 1)]
            wrong += [
                end._replace(digest=bytes(32)),
                end._replace(stream_id=uuid4()),
                StreamEnd(end.stream_id, 0, 0, b""),
            ]
        for false in wrong:
            for seen in ([*ends[:place], false, *ends[place + 1 :]], [false]):
                assert one._recorder.append(events, receipt, seen) is None
    assert written(database_url) == before
    assert one._recorder.append(events, receipt, ends) == [before[2] + 1]  # what holds is recorded


def test_of_racing_commands_exactly_one_moves_each_version(one: Ledger, other: Ledger) -> None:
    def race(commands: list[Any]) -> list[Any]:
        return list(pool.map(lambda n: deliver((one, other)[n % 2], commands[n]), range(len(commands))))

    with ThreadPoolExecutor(RACERS) as pool:
        assert sorted(outcome.version for outcome in race([fill("a") for _ in range(80)])) == list(range(1, 81))
        for n in range(10):
            one.record(fill(str(n)))
            remember(one, str(n))
            remember(other, str(n))
            outcomes = race([seal(str(n)) for _ in range(RACERS)])
            assert sorted(outcome.events for outcome in outcomes) == [0] * (RACERS - 1) + [1]
            assert {outcome.version for outcome in outcomes} == {2}


def test_what_is_remembered_is_what_a_fresh_fold_gives(one: Ledger, other: Ledger) -> None:
    names = [str(n) for n in range(4)]
    commands = [pour(names[n % 4], names[n % 3], n % 5) if n % 3 else fill(names[n % 4], n, 2) for n in range(120)]
    with ThreadPoolExecutor(RACERS) as pool:
        list(pool.map(lambda n: deliver((one, other)[n % 5 % 2], commands[n]), range(len(commands))))
    for ledger in (one, other):
        for stream in map(jar, names):
            seen = ledger._states._remembered[stream.id]
            events: list[Any] = other.read(stream)[: seen.version]
            assert seen.state == reduce(evolve_jar, (event.fact for event in events), Jar())
            assert (seen.version, seen.position) == (len(events), events[-1].position)


@pytest.mark.parametrize("numbers_too", [False, True], ids=["numbers go on", "numbers start again"])
def test_a_log_that_was_restored_and_went_another_way_is_noticed(
    one: Ledger, database_url: str, *, numbers_too: bool
) -> None:
    for beans in (1, 20, 300):
        one.record(fill("a", beans))
    one.record(fill("b"))
    remember(one, "a", "b")
    first = one.read(jar("a"))[0].position
    with sql(database_url) as connection:
        connection.execute("ALTER TABLE ledger_events DISABLE TRIGGER ledger_events_append_only")
        connection.execute("DELETE FROM ledger_events WHERE notification_id > %s", (first,))
        connection.execute("DELETE FROM ledger_receipts WHERE notification_ids[1] > %s", (first,))
        connection.execute("ALTER TABLE ledger_events ENABLE TRIGGER ledger_events_append_only")
        if numbers_too:
            connection.execute("SELECT setval('ledger_events_notification_id_seq', %s)", (first,))
    with open_ledger(database_url) as other:
        for name in ("a", "a", "b"):
            other.record(fill(name, 1))
    refused = one.record(pour("a", "b", 100))
    assert refused.kind == "refused"  # 3 are in it, 321 were
    assert one.states([jar("a")])[jar("a")] == Jar(beans=3)
    assert one.record(fill("a", 1)).kind == "accepted"
    assert scalar(database_url, "SELECT max(originator_version) FROM ledger_events") == 4
