"""Random events of accounts on their way to a budget, each possible after those before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

from domain.account import Account, account_stream, evolve
from domain.account_facts import Basis, Occasion
from domain.account_observing import needs_alignment
from domain.decision import Event
from domain.expectation import key_of_email, key_of_name
from domain.hierarchy import NodePath
from domain.waiting import Overdue
from tests.views.given import ANN, EVE, allocated_to, changed, vended
from tests.views.given_accounts import (
    account_escalated,
    account_reminded,
    appeared,
    declined,
    departed,
    ended,
    expectation_withdrawn,
    expected,
    first_billed,
    message_rejected,
    opened,
    proposed,
    returned,
    rule,
    rules_replaced,
    vending_failed,
)

SOURCES = ("sync", "CreateAccountResult", "MoveAccount")
EXPECTED_SOME = 40
"""Different expected accounts."""


class RandomAccounts:
    """The accounts of one organization; the last quarter of them never gets a budget."""

    def __init__(self, random: Random, account_ids: Sequence[str], products: Sequence[NodePath]) -> None:
        self.random, self._ids, self._products = random, account_ids, products
        self.states: dict[str, Account] = {}
        """As the domain folds them: what the view must say, too."""
        self._expected: dict[str, bool] = {}
        """Whether they wait."""
        self._old = frozenset(account_ids[::7])
        """Known from the time before there were occasions."""
        self._requests = 0

    def seen(self) -> list[Event]:
        """AWS or a bill shows something of an account."""
        account_id = self.random.choice(self._ids)
        account = self.states.get(account_id, Account())
        if account.first_billed_on is None and self.random.random() < 0.15:
            return self._billed(account_id, account)
        name, source = f"name {self.random.randrange(9)}", self.random.choice(SOURCES)
        state = self.random.choice(("ACTIVE", "ACTIVE", "ACTIVE", "SUSPENDED", "CLOSED"))
        if account.seen is None:
            return self._moved(vended(account_id, name, source=source))
        if account.departed_at is not None:
            return self._moved(returned(account_id, name, state))
        if self.random.random() < 0.2:
            return self._moved(departed(account_id))
        tags = self.random.choice(({}, {"team": name}, None))
        return self._moved(changed(account_id, name, state, ou_path=f"/Unit {self.random.randrange(3)}", tags=tags))

    def said(self) -> list[Event]:
        """Somebody, or a rule, says where an account belongs, or reminds of it."""
        account_id = self.random.choice(self._ids[: len(self._ids) * 3 // 4])
        account = self.states.get(account_id, Account())
        if account.since is None:
            return []
        makers: list[Callable[[str, Account], list[Event]]] = [self._allocated, self._proposed]
        if account.occasion:
            makers.append(self._waited)
        if account.proposal is not None:
            makers.append(self._decided)
        return self.random.choice(makers)(account_id, account)

    def beside(self) -> list[Event]:
        """Expected accounts, rules and troubles."""
        return self.random.choice((self._expectation, self._expectation, self._rules, self._trouble))()

    def _moved(self, *events: Event) -> list[Event]:
        """With the occasion that this opens or ends."""
        account_id = events[0].stream.key
        was_over = account_id in self.states and self.states[account_id].is_over
        self._record(*events)
        account = self.states[account_id]
        if needs_alignment(account) and account_id not in self._old:
            reason = self.random.choice((Occasion.FIRST_SIGHT, Occasion.MOVED, Occasion.RETURNED))
            return [*events, *self._record(opened(account_id, account.occasion + 1, reason))]
        if account.is_open and account.is_over and not (was_over or account.spends_unallocated):
            return [*events, *self._record(ended(account_id, account.occasion))]
        return list(events)

    def _billed(self, account_id: str, account: Account) -> list[Event]:
        day = date(2026, 1, 1) + timedelta(days=self.random.randrange(400))
        events = [first_billed(account_id, str(day))]
        if not account.allocations:
            occasion = account.occasion + (not account.is_open)
            if not account.is_open:
                events.append(opened(account_id, occasion, Occasion.SPENDING))
            events.append(account_escalated(account_id, occasion, Overdue.SPENDING))
        return self._record(*events)

    def _allocated(self, account_id: str, account: Account) -> list[Event]:
        parts = self.random.choice((("100",), ("33.3333", "33.3333", "33.3334"), ("12.5", "87.5")))
        chosen = self.random.sample(self._products, len(parts))
        day = date(2026, 1, 1) + timedelta(days=self.random.randrange(400))
        shares = {str(product): part for product, part in zip(chosen, parts, strict=True)}
        terms = self.random.choice(({}, {"basis": Basis.RULE, "rule": "prod"}))
        return self._record(allocated_to(account_id, day, shares, **terms))

    def _proposed(self, account_id: str, account: Account) -> list[Event]:
        occasion = account.occasion + (not account.is_open)
        first = [] if account.is_open else [opened(account_id, occasion, Occasion.PROPOSED)]
        shares = {str(self.random.choice(self._products)): "100"}
        by = self.random.choice((ANN, EVE, None))
        number, by_rule = account.proposals + 1, "" if by else "prod"
        return self._record(*first, proposed(account_id, shares, number=number, occasion=occasion, rule=by_rule, by=by))

    def _decided(self, account_id: str, account: Account) -> list[Event]:
        proposal = account.proposal
        assert proposal is not None
        if self.random.random() < 0.5:
            shares = {str(share.product): str(share.percent) for share in proposal.shares}
            terms = {"basis": Basis.PROPOSAL, "rule": proposal.rule, "proposal": proposal.number}
            return self._record(allocated_to(account_id, date(2026, 1, 1), shares, **terms))
        stays = [ended(account_id, account.occasion, "declined")] if account.allocations else []
        return self._record(declined(account_id, proposal.number, account.occasion), *stays)

    def _waited(self, account_id: str, account: Account) -> list[Event]:
        """Sometimes too late, when another occasion was opened."""
        occasion = max(account.occasion - (self.random.random() < 0.1), 1)
        if self.random.random() < 0.6:
            return [account_reminded(account_id, occasion, self.random.randrange(1, 4))]
        return [account_escalated(account_id, occasion)]

    def _expectation(self) -> list[Event]:
        number = self.random.randrange(EXPECTED_SOME)
        email, name = (f"aws-{number}@example.com", "") if number % 2 else ("", f"shop {number}")
        key = key_of_email(email) if email else key_of_name(name)
        if not self._expected.get(key):
            self._expected[key] = True
            return [expected({str(self.random.choice(self._products)): "100"}, email=email, name=name)]
        self._expected[key] = False
        if self.random.random() < 0.3:
            return [expectation_withdrawn(key)]
        return [appeared(key, self.random.choice(self._ids))]

    def _rules(self) -> list[Event]:
        count = self.random.randrange(4)
        rules = [rule(f"rule {n}", {str(self.random.choice(self._products)): "100"}) for n in range(count)]
        return [rules_replaced(*rules)]

    def _trouble(self) -> list[Event]:
        self._requests += 1
        if self.random.random() < 0.5:
            return [vending_failed(f"car-{self._requests}", f"shop {self._requests}")]
        return [message_rejected(f"message {self._requests}")]

    def _record(self, *events: Event) -> list[Event]:
        for stream, fact in events:
            if stream == account_stream(stream.key):
                self.states[stream.key] = evolve(self.states.get(stream.key, Account()), fact)  # type: ignore[arg-type]
        return list(events)
