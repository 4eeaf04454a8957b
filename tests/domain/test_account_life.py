"""An account's life in any order (`account_life`), and faults that the machine must find."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import Phase, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from domain import account_observing, first_bill
from domain.account_facts import Occasion
from tests.domain import accounts_given as given
from tests.domain.account_life import AccountLife, Message
from tests.domain.accounts_given import account_of, at, by_allot

STEPS = 30

TestAccountLife = AccountLife.TestCase
TestAccountLife.settings = settings(max_examples=200, stateful_step_count=STEPS, deadline=None)


# What is told in any order


@drawn(count=st.integers(1, 6), leaves_at=st.integers(0, 6), data=st.data())
def test_in_whatever_order_and_however_often_messages_come_the_newest_one_is_what_is_known(
    count: int, leaves_at: int, data: st.DataObject
) -> None:
    """Where each minute shows something else: what shows nothing new is not recorded, and does not outdate the rest."""
    life = [None if n == leaves_at else given.seen(name=f"name at {n}") for n in range(1, count + 1)]
    messages = [Message(n, source, seen) for n, seen in enumerate(life, 1) for source in ("sync", "event")]
    told = data.draw(st.permutations(messages)) + data.draw(st.lists(st.sampled_from(messages), max_size=6))
    facts = list(given.OPEN)
    for message in told:
        facts += by_allot(message.command, facts)
    account, last = account_of(facts), life[-1]
    assert (account.departed_at is None) == account.is_open == (last is not None)
    assert last is None or (account.seen, account.as_of) == (last, at(count))


# Controls


type Patch = pytest.MonkeyPatch


def what_is_older_counts_too(patch: Patch) -> None:
    patch.setattr(account_observing, "is_older", lambda *_: False)


def nobody_is_asked_at_first_sight(patch: Patch) -> None:
    patch.setattr(account_observing, "needs_alignment", lambda _account: False)


def a_departure_is_recorded_again(patch: Patch) -> None:
    patch.setattr(account_observing, "has_departed", lambda known, *_: known.seen is not None)


def somebody_is_asked_each_time(patch: Patch) -> None:
    patch.setattr(account_observing, "_occasion", lambda *_: Occasion.MOVED)


def a_bill_asks_nobody(patch: Patch) -> None:
    patch.setattr(first_bill, "_consequences", lambda *_: [])


FAULTS = [
    (what_is_older_counts_too, "what is recorded never goes back in time"),
    (nobody_is_asked_at_first_sight, "has a budget, or somebody is asked"),
    (a_departure_is_recorded_again, "what comes twice changes nothing"),
    (somebody_is_asked_each_time, "an occasion is opened after the last one's end"),
    (a_bill_asks_nobody, "so is spend that belongs to nobody"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_machine_finds_a_planted_fault(fault: Callable[[Patch], None], words: str, monkeypatch: Patch) -> None:
    fault(monkeypatch)
    limits = settings(
        max_examples=200,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
    )
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(AccountLife, settings=limits)
    assert words in str(found.value)
