"""All there is: every rule by its command, every fact by its name, and how each category of streams is folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from domain import (
    account,
    account_allocating,
    account_facts,
    account_observing,
    account_proposals,
    account_rules,
    account_trouble,
    alignment,
    budget,
    budget_load,
    closing,
    cost,
    expected_account,
    first_bill,
    metric_choice,
    people,
    people_commands,
    people_import,
    restatement,
    schedule,
    schedule_commands,
    schedule_decisions,
    schedule_waiting,
    waiting,
)
from domain.decision import Command, CommandRefused, Fact, Fold, Rule

RULES: Mapping[type[Command], Rule] = {
    **people_commands.RULES,
    **people_import.RULES,
    **budget_load.RULES,
    **closing.RULES,
    **schedule_commands.RULES,
    **schedule_decisions.RULES,
    **schedule_waiting.RULES,
    **account_observing.RULES,
    **account_allocating.RULES,
    **account_proposals.RULES,
    **account_rules.RULES,
    **account_trouble.RULES,
    **expected_account.RULES,
    **alignment.RULES,
    **cost.RULES,
    **restatement.RULES,
    **metric_choice.RULES,
    **first_bill.RULES,
}

_ALL_FACTS: tuple[type[Fact], ...] = (
    CommandRefused,
    *people.FACTS,
    *budget.FACTS,
    *schedule.FACTS,
    *waiting.FACTS,
    *closing.FACTS,
    *account_facts.FACTS,
    *account_rules.FACTS,
    *account_trouble.FACTS,
    *expected_account.FACTS,
    *cost.FACTS,
    *restatement.FACTS,
    *metric_choice.FACTS,
)
FACTS: Mapping[str, type[Fact]] = {fact.fact_name: fact for fact in _ALL_FACTS}
if len(FACTS) < len(_ALL_FACTS):
    raise TypeError("two facts have the same name")

FOLDS: Mapping[str, Fold] = {
    "person": Fold(people.Person(), people.evolve),
    "holders": Fold(frozenset(), people.evolve_holders),
    "budget": Fold(budget.Book(), budget.evolve_book),
    "budget_line": Fold(budget.BudgetLine(), budget.evolve_line),
    "schedule": Fold(schedule.Schedule(), schedule.evolve),
    "waiting": Fold(waiting.Waiting(), waiting.evolve),
    "closing": Fold(frozenset(), closing.evolve),
    "account": Fold(account.Account(), account.evolve),
    "organization": Fold(account.AwsOrganization(), account.evolve_organization),
    "account_rules": Fold(account_rules.AccountRules(), account_rules.evolve),
    "expected_account": Fold(expected_account.Expectation(), expected_account.evolve),
    "vending": Fold(False, account_trouble.evolve),
    "account_event": Fold(False, account_trouble.evolve),
    "cost": Fold(cost.CostPeriod(), cost.evolve),
    "account_cost": Fold(frozenset(), restatement.evolve),
    "cost_metric": Fold({}, metric_choice.evolve),
    "refusal": Fold(None, lambda _state, fact: fact),
}
"""By stream category."""

AnyCommand = Annotated[
    people_commands.RegisterPerson
    | people_commands.GrantPersona
    | people_commands.WithdrawGrant
    | people_commands.DeactivatePerson
    | people_commands.ReactivatePerson
    | people_commands.Delegate
    | people_commands.EndDelegation
    | schedule_commands.SubmitSchedule
    | schedule_commands.WithdrawSchedule
    | schedule_commands.ReviseSchedule
    | schedule_commands.RequestReschedule
    | schedule_decisions.ApproveSchedule
    | schedule_decisions.RejectSchedule
    | schedule_decisions.GrantReschedule
    | schedule_decisions.DenyReschedule
    | closing.CloseMonth
    | closing.ReopenMonth
    | metric_choice.ChooseMetric
    | account_allocating.AllocateAccount
    | account_allocating.ProposeAllocation
    | account_proposals.AcceptProposal
    | account_proposals.DeclineProposal
    | account_rules.ReplaceAccountRules
    | expected_account.ExpectAccounts
    | expected_account.WithdrawExpectation,
    Field(discriminator="kind"),
]
"""What may be sent from outside; the other commands are made by activities from what they read."""

COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(AnyCommand, config=ConfigDict(hide_input_in_errors=True))
