"""The rules that say where new accounts belong: each set that was ever in force, in its order."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from domain.account_rules import FACTS, RulesReplaced
from domain.decision import RecordedEvent
from views.batch import Batch, Projection
from views.tables import Json, Table


class RuleSetRow(NamedTuple):
    version: int
    """Of the stream of rules; the highest is in force."""
    rules: int
    """How many; a set may be empty."""
    set_by: UUID
    set_at: datetime
    note: str


class RuleRow(NamedTuple):
    version: int
    """Of its set."""
    ordinal: int
    """The first rule that fits takes the account."""
    name: str
    rule: Json


RULE_SETS = Table("account_rule_sets", RuleSetRow, key=1)
ACCOUNT_RULES = Table("account_rules", RuleRow, key=2)


def wants(batch: Batch, event: RecordedEvent, fact: RulesReplaced) -> None:
    batch.rows(RULE_SETS).want(event.stream_version)
    for ordinal in range(len(fact.rules)):
        batch.rows(ACCOUNT_RULES).want(event.stream_version, ordinal)


def fold(batch: Batch, event: RecordedEvent, fact: RulesReplaced) -> None:
    version = event.stream_version
    batch.rows(RULE_SETS).put(RuleSetRow(version, len(fact.rules), fact.set_by, event.recorded_at, fact.note))
    for ordinal, rule in enumerate(fact.rules):
        batch.rows(ACCOUNT_RULES).put(RuleRow(version, ordinal, rule.name, Json(to_json(rule).decode())))


PROJECTION = Projection((RULE_SETS, ACCOUNT_RULES), FACTS, wants, fold)
