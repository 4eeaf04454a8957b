"""Two decisions that each read what the other one writes are never both right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Literal
from uuid import uuid4

import pytest

from domain.decision import Command, Context, Decision, Event, Outcome, Rule, States, Stream
from domain.errors import Refusal
from ledger.ledger import Ledger
from tests.ledger.jars import (
    ANN,
    JARS,
    Filled,
    events_in,
    fill,
    guarded,
    jar,
    look_away,
    open_ledger,
    scalar,
    seal,
    sql,
    stock,
)

WAIT_MAX_S = 30
RACES = 12
SHELF = 5_000  # jars
BUCKETS_LOCKED = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 'ledger_events'::regclass AND granted"""


class Raise(Command):
    """One end of a seesaw goes up if the other one is down: never both."""

    kind: Literal["seesaw.Raise"] = "seesaw.Raise"
    end: str
    other: str

    @property
    def subject(self) -> Stream:
        return jar(self.end)


def raising(end: str, other: str) -> Raise:
    return Raise(command_id=uuid4(), actor=ANN, end=end, other=other)


def _raise(states: States, command: Raise, _: Context) -> Decision:
    if states[jar(command.other)].beans:
        raise Refusal("The other end is up.", code="OtherIsUp")
    return Decision([Event(command.subject, Filled(beans=1))])


SEESAW = JARS._replace(
    rules={**JARS.rules, Raise: Rule(lambda command, _: [command.subject, jar(command.other)], _raise)}
)


@pytest.fixture
def one(database_url: str) -> Iterator[Ledger]:
    with open_ledger(database_url, registry=SEESAW, pool_size=8) as ledger:
        yield ledger


@pytest.fixture
def other(database_url: str) -> Iterator[Ledger]:
    """Shares nothing with the first but the database, like one in another process."""
    with open_ledger(database_url, registry=SEESAW, pool_size=8) as ledger:
        yield ledger


def meeting_once(ledgers: Iterable[Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes both wait for one another between their first decision and its append: each has read what was before."""
    barrier = Barrier(2)
    for ledger in ledgers:
        first = iter([True])
        append = ledger._recorder.append

        def meeting(
            events: Any, receipt: Any, seen: Any, append: Callable[..., Any] = append, first: Iterator[bool] = first
        ) -> Any:
            if next(first, False):
                barrier.wait(WAIT_MAX_S)
            return append(events, receipt, seen)

        monkeypatch.setattr(ledger._recorder, "append", meeting)


def race(one: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch, *, remembered: bool) -> list[tuple[str, ...]]:
    """How each pair of opposite commands ended."""
    ended: list[tuple[str, ...]] = []
    with ThreadPoolExecutor(2) as pool:
        for n in range(RACES):
            a, b = f"{n} a", f"{n} b"
            for ledger in (one, other):
                person = ledger.people.find(ANN)
                assert person is not None
                ledger._states._remembered.clear()
                if remembered:
                    ledger.states([jar(a), jar(b), Stream("person", str(person))])
            with monkeypatch.context() as patch:
                meeting_once((one, other), patch)
                answers: list[Outcome] = list(
                    pool.map(lambda each: each[0].record(each[1]), [(one, raising(a, b)), (other, raising(b, a))])
                )
            ended.append(tuple(sorted(answer.kind for answer in answers)))
            up = [one.states([jar(end)])[jar(end)].beans for end in (a, b)]
            assert sum(up) == ended[-1].count("accepted")
    return ended


@pytest.mark.parametrize("remembered", [True, False])
def test_of_two_that_read_what_the_other_writes_one_is_decided_anew(
    one: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch, *, remembered: bool
) -> None:
    assert race(one, other, monkeypatch, remembered=remembered) == [("accepted", "refused")] * RACES


@pytest.mark.parametrize("remembered", [True, False])
def test_control_without_looking_again_both_are_accepted(
    one: Ledger, other: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch, *, remembered: bool
) -> None:
    look_away(database_url)
    assert race(one, other, monkeypatch, remembered=remembered) == [("accepted", "accepted")] * RACES


def opposite_appends(database_url: str) -> list[str]:
    """Two appends at the same time, each of which has seen the other's stream empty; both transactions stay open for a
    moment after their appends, so that neither sees what the other has done unless it waits."""

    def append(written: str, kept: str) -> str:
        with sql(database_url) as connection, connection.transaction():
            barrier.wait(WAIT_MAX_S)
            positions = connection.execute(
                "SELECT (ledger_append(NULL, NULL, NULL, NULL, ARRAY[%s::uuid], '{1}', '{jar.Sealed}', '{x}', "
                "ARRAY[%s::uuid], '{0}', '{0}', ARRAY[''::bytea])).positions",
                (jar(written).id, jar(kept).id),
            ).fetchone()
            time.sleep(0.2)
        return "moved" if positions == (None,) else "appended"

    barrier = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        return sorted(pool.map(append, ("a", "b"), ("b", "a")))


def test_whoever_comes_second_waits_until_it_can_see_what_the_first_has_done(database_url: str) -> None:
    assert opposite_appends(database_url) == ["appended", "moved"]
    assert events_in(database_url) == 1


def test_control_without_locks_neither_sees_what_the_other_has_done(database_url: str) -> None:
    with sql(database_url) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION ledger_lock_streams(written uuid[], seen uuid[]) "
            "RETURNS void LANGUAGE sql AS 'SELECT'"
        )
    assert opposite_appends(database_url) == ["appended", "appended"]


def test_a_stream_that_was_empty_is_decided_on_from_memory_until_it_is_not(
    one: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    select = one._recorder.select_situation

    def noting(*arguments: Any) -> Any:
        reads.append(len(arguments[0]))
        return select(*arguments)

    monkeypatch.setattr(one._recorder, "select_situation", noting)
    assert one.record(guarded("a", "guard")).kind == "accepted"
    assert reads == [3]  # the jar, the guard, and Ann: no events in any of them
    for _ in range(3):
        assert one.record(guarded("a", "guard")).kind == "accepted"
    assert reads == [3]
    other.record(fill("guard"))
    other.record(seal("guard"))
    assert one.record(guarded("a", "guard")).kind == "refused"
    assert reads == [3, 3]


def test_a_refusal_too_is_decided_anew_where_its_reason_has_gone(
    one: Ledger, other: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = one._recorder.append

    def overtaken(events: Any, receipt: Any, seen: Any) -> Any:
        monkeypatch.setattr(one._recorder, "append", meeting)
        other.record(fill("a"))
        return meeting(events, receipt, seen)

    monkeypatch.setattr(one._recorder, "append", overtaken)
    assert one.record(seal("a")).kind == "accepted"  # the jar was empty when it was first asked about
    assert scalar(database_url, "SELECT count(*) FROM ledger_receipts") == 2
    assert events_in(database_url) == 2


def test_a_load_of_many_streams_and_decisions_that_read_them_get_through_and_agree(
    one: Ledger, other: Ledger, database_url: str
) -> None:
    """Each of the decisions is refused if its jar of the shelf has been filled."""
    barrier = Barrier(5)
    load = stock("s", SHELF)

    def write(number: int) -> list[tuple[str, Outcome]]:
        barrier.wait(WAIT_MAX_S)
        ends = [f"s-{n}" for n in range(number, SHELF, SHELF // 40)]
        return [(end, (one, other)[number % 2].record(raising(f"mine {number} {end}", end))) for end in ends]

    def load_it() -> Outcome:
        barrier.wait(WAIT_MAX_S)
        return one.record(load)

    with ThreadPoolExecutor(5) as pool:
        loading = pool.submit(load_it)
        writing = [pool.submit(write, number) for number in range(4)]
        outcome = loading.result(WAIT_MAX_S)
        answers = [answer for future in writing for answer in future.result(WAIT_MAX_S)]
    assert outcome.kind == "accepted"
    assert outcome.events == SHELF
    for end, answer in answers:
        # What relied on an empty jar stands in the log before the load, what was refused after it. Jar 0 stays empty.
        assert (answer.kind == "accepted") == (answer.position < outcome.position) or end == "s-0"
    assert scalar(database_url, BUCKETS_LOCKED) == 0
