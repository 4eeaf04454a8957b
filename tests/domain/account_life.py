"""One account's life as a machine: two sources that tell late, twice and in any order, people, rules and bills.

A tiny reference says what is known of the account, a witness what its occasions are; both see facts and messages only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.account import Account, evolve, lifecycle
from domain.account_facts import (
    AccountSeen,
    AlignmentEnded,
    AlignmentOpened,
    Allocated,
    AllocationProposed,
    Observed,
    ProposalDeclined,
)
from domain.account_observing import needs_alignment
from domain.account_rules import AccountRule
from domain.calendar import Month
from domain.decision import Actor, Command, Event
from domain.errors import Refusal
from tests.domain import accounts_given as given
from tests.domain.accounts_given import COLLEAGUE, ENGINEER, ID, STREAM, at
from tests.domain.specs import ADMIN, CHECKOUT, SEARCH, SYSTEM_ACTOR, decide

RULES = [
    (),
    (given.rule(ou_path="/Shop"), given.rule("tag", ou_path="", product_tag="product", shares=())),
    (given.rule(ou_path="/Shop", shares=given.shares("60", "40"), apply=True),),
    (given.rule(ou_path="", any_account=True, apply=True),),
]
CHANGES: list[dict[str, object]] = [
    {"state": "ACTIVE"},
    {"state": "SUSPENDED"},
    {"state": "CLOSED"},
    {"ou_path": "/Shop"},
    {"ou_path": "/Workloads"},
    {"tags": {}},
    {"tags": {"product": str(SEARCH)}},
    {"tags": {"product": str(CHECKOUT)}},
    {"name": "other"},
]
DAYS = [None, date(2026, 5, 1), date(2026, 6, 7), date(2026, 7, 1)]
SPLITS = [("100",), ("60", "40")]


class Message(NamedTuple):
    """What a source has seen at a minute; nothing where the account was not there."""

    minute: int
    source: str
    seen: AccountSeen | None

    @property
    def command(self) -> Command:
        if self.seen is None:
            return given.depart(given.departure(self.minute), minutes=self.minute, source=self.source)
        return given.observe(self.seen, minutes=self.minute, source=self.source)


@dataclass
class Reference:
    """What is known: the newest of what was told, as far as what differed was recorded."""

    shown: AccountSeen | None = None
    gone: bool = False
    latest: int = -1

    def hear(self, message: Message) -> None:
        if message.minute < self.latest:
            return
        seen = message.seen
        if seen is None:
            if self.shown and not self.gone and self.shown.joined_at <= at(message.minute):
                self.gone, self.latest = True, message.minute
            return
        if seen.tags is None and self.shown:
            seen = seen.model_copy(update={"tags": self.shown.tags})
        if self.gone or seen != self.shown:
            self.shown, self.gone, self.latest = seen, False, message.minute


@dataclass
class Witness:
    """Occasions and proposals come in order, and one occasion is open at most."""

    occasions: int = 0
    open: int = 0
    proposals: int = 0

    def sees(self, event: Event) -> None:
        match event.fact:
            case AlignmentOpened(occasion=number):
                assert (self.open, number) == (0, self.occasions + 1), "an occasion is opened after the last one's end"
                self.occasions = self.open = number
            case AlignmentEnded(occasion=number):
                assert number == self.open > 0, "what is open ends"
                self.open = 0
            case AllocationProposed(occasion=occasion, proposal=number):
                assert (occasion, number) == (self.open, self.proposals + 1), (
                    "proposals are made where somebody is asked"
                )
                self.proposals = number
            case ProposalDeclined(occasion=occasion, proposal=number):
                assert (occasion, number) == (self.open, self.proposals), "the last proposal is declined"
            case Allocated():
                self.open = 0


class AccountLife(RuleBasedStateMachine):
    """Whatever happens, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Event] = list(given.BUDGET)
        self.account = Account()
        self.reference, self.witness = Reference(), Witness()
        self.minute = 0
        self.truth, self.there = given.seen(joined_at=at(0)), True
        self.sent: list[Message] = []
        self.recorded: set[int] = set()
        """Places of messages that were news once."""

    def send(self, command: Command, by: Actor = SYSTEM_ACTOR) -> int:
        """How many facts it led to; none where it is refused."""
        try:
            found = decide(command, by, self.facts).events
        except Refusal:
            return 0
        for event in found:
            if event.stream == STREAM:
                self.witness.sees(event)
                self.account = evolve(self.account, event.fact)  # type: ignore[arg-type]  # a fact of this stream
        self.facts += found
        return len(found)

    def send_twice(self, command: Command, by: Actor = SYSTEM_ACTOR) -> int:
        found = self.send(command, by)
        assert not self.send(command, by), "what comes twice changes nothing"
        return found

    def deliver(self, place: int) -> None:
        message = self.sent[place]
        self.reference.hear(message)
        if self.send_twice(message.command):
            assert place not in self.recorded, "what was recorded once is not recorded again"
            self.recorded.add(place)

    # What happens at AWS, and is told of

    @rule(fields=st.sampled_from(CHANGES))
    def change(self, fields: dict[str, object]) -> None:
        self.minute += 1
        self.truth = AccountSeen.model_validate(self.truth.model_dump() | fields)

    @rule()
    def leave_or_come_back(self) -> None:
        self.minute += 1
        self.there = not self.there
        if self.there:
            self.truth = self.truth.model_copy(update={"joined_at": at(self.minute)})
        self.sent.append(Message(self.minute, "AccountDepartedOrganization", self.truth if self.there else None))

    @rule(source=st.sampled_from(["sync", "CreateAccountResult"]), with_tags=st.booleans())
    def look(self, source: str, with_tags: bool) -> None:
        """What it finds may come at once, late or never."""
        self.minute += 1
        seen = self.truth if with_tags else self.truth.model_copy(update={"tags": None})
        self.sent.append(Message(self.minute, source, seen if self.there else None))

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 5))
    def one_comes(self, back: int) -> None:
        self.deliver(max(0, len(self.sent) - 1 - back))

    @rule()
    def a_full_read_comes_at_once(self) -> None:
        self.look("sync", True)
        self.deliver(len(self.sent) - 1)
        if self.there:
            assert self.account.seen == self.truth, "after a full read the truth is known"
        assert self.account.seen is None or (self.account.departed_at is None) == self.there, "and who is there"

    @rule(day=st.sampled_from([date(2026, 6, 11), date(2026, 6, 12)]))
    def a_bill_comes(self, day: date) -> None:
        self.send_twice(given.first_bills((ID, day)))

    # What people and Allot do about it

    @rule(split=st.sampled_from(SPLITS), day=st.sampled_from(DAYS), first=st.booleans())
    def somebody_allocates(self, split: tuple[str, ...], day: date | None, first: bool) -> None:
        # Without a day the second would be a remap from the usual day; receipts tell such repetitions.
        (self.send_twice if day else self.send)(given.allocate(*split, on=day), ENGINEER if first else ADMIN)

    @rule(split=st.sampled_from(SPLITS), day=st.sampled_from(DAYS))
    def somebody_proposes(self, split: tuple[str, ...], day: date | None) -> None:
        self.send(given.propose(*split, on=day), ENGINEER)

    @rule(accepts=st.booleans(), back=st.integers(0, 1))
    def somebody_decides(self, accepts: bool, back: int) -> None:
        number = max(0, self.witness.proposals - back)
        self.send_twice(given.accept(number, note="fine") if accepts else given.decline(number), COLLEAGUE)

    @rule(some=st.sampled_from(RULES))
    def rules_are_replaced(self, some: tuple[AccountRule, ...]) -> None:
        self.send_twice(given.replace_rules(*some), ADMIN)

    @rule()
    def it_is_expected(self) -> None:
        self.send_twice(given.expect(given.expected(email="aws+shop@example.com")), ENGINEER)

    @rule(back=st.integers(0, 1))
    def allot_aligns(self, back: int) -> None:
        self.send_twice(given.align(self.witness.occasions - back))

    @rule(back=st.integers(0, 1), count=st.integers(1, 3))
    def time_passes(self, back: int, count: int) -> None:
        occasion = self.witness.occasions - back
        self.send_twice(given.remind(occasion, count))
        if count > 1:
            self.send_twice(given.escalate(occasion))

    @rule()
    def a_month_is_closed(self) -> None:
        self.facts += given.closed(Month(2026, 5))

    # What always holds

    @invariant()
    def what_is_known_is_what_was_told_last(self) -> None:
        known = self.account
        assert (known.seen, known.departed_at is not None) == (self.reference.shown, self.reference.gone)

    @invariant()
    def whoever_has_to_be_asked_is_asked(self) -> None:
        assert self.account.is_open == (self.witness.open > 0)
        assert not needs_alignment(self.account), "an account that is there has a budget, or somebody is asked"
        assert self.account.is_open or not self.account.spends_unallocated, "so is spend that belongs to nobody"
        assert self.account.proposal is None or self.account.is_open, "a proposal waits in an occasion"

    def teardown(self) -> None:
        facts = [fact for stream, fact in self.facts if stream == STREAM]
        moments = [fact.observed_at for fact in facts if isinstance(fact, Observed) and fact.observed_at]
        assert moments == sorted(moments), "what is recorded never goes back in time"
        read = [Event(STREAM, type(fact).model_validate_json(fact.model_dump_json())) for fact in facts]
        replayed = given.account_of(read)
        assert replayed == self.account, "what is read back is what was live"
        assert lifecycle(replayed) is lifecycle(self.account)
