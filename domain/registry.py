"""All there is: every rule by its command, every fact by its name, and how each category of streams is folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from domain import account, budget, cost, people, schedule
from domain.decision import Command, CommandRefused, Fact, Fold, Rule

RULES: Mapping[type[Command], Rule] = {
    **people.RULES,
    **budget.RULES,
    **schedule.RULES,
    **account.RULES,
    **cost.RULES,
}

_ALL_FACTS: tuple[type[Fact], ...] = (
    CommandRefused,
    *people.FACTS,
    *budget.FACTS,
    *schedule.FACTS,
    *account.FACTS,
    *cost.FACTS,
)
FACTS: Mapping[str, type[Fact]] = {fact.fact_name: fact for fact in _ALL_FACTS}
if len(FACTS) < len(_ALL_FACTS):
    raise TypeError("two facts have the same name")

FOLDS: Mapping[str, Fold] = {
    "person": Fold(people.Person(), people.evolve),
    "budget": Fold(budget.Book(), budget.evolve_book),
    "budget_line": Fold(budget.BudgetLine(), budget.evolve_line),
    "schedule": Fold(schedule.Schedule(), schedule.evolve),
    "account": Fold(account.Account(), account.evolve),
    "organization": Fold(account.AwsOrganization(), account.evolve_organization),
    "cost": Fold(cost.CostPeriod(), cost.evolve),
    "refusal": Fold(None, lambda _state, fact: fact),
}
"""By stream category."""

AnyCommand = Annotated[
    people.RegisterPerson
    | people.GrantPersona
    | schedule.SubmitSchedule
    | schedule.ApproveSchedule
    | schedule.RejectSchedule
    | account.AllocateAccount,
    Field(discriminator="kind"),
]
"""What may be sent from outside; the other commands are made by activities from what they read."""

COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(AnyCommand, config=ConfigDict(hide_input_in_errors=True))
