"""What came from AWS and led to no account: a vending that failed, a message that could not be understood."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from domain.decision import Action, Command, Context, Decision, Event, Fact, Rule, States, Stream
from domain.hierarchy import NodePath
from domain.people import require

KEY_CHARS_MAX = 200
TEXT_CHARS_MAX = 2_000


class VendingFailed(Fact):
    """AWS could not create an account."""

    fact_name: ClassVar[str] = "vending.Failed"
    request: str
    """AWS's id of the request or, where the event tells none, of the event."""
    account_name: str
    """Empty where AWS masks it."""
    account_id: str
    """Empty where there is none yet."""
    reason: str
    at: AwareDatetime


class MessageRejected(Fact):
    """A message of the account events queue could not be understood, and went to the dead-letter queue, if any."""

    fact_name: ClassVar[str] = "account_event.Rejected"
    message_id: str
    reason: str
    excerpt: str
    """The beginning of what was sent."""
    sent_at: AwareDatetime


class RecordVendingFailure(Command):
    kind: Literal["vending.RecordFailure"] = "vending.RecordFailure"
    request: Annotated[str, Field(min_length=1, max_length=KEY_CHARS_MAX)]
    account_name: Annotated[str, Field(max_length=KEY_CHARS_MAX)] = ""
    account_id: Annotated[str, Field(max_length=KEY_CHARS_MAX)] = ""
    reason: Annotated[str, Field(max_length=TEXT_CHARS_MAX)]
    at: AwareDatetime

    @property
    def subject(self) -> Stream:
        return Stream("vending", self.request)


class RejectMessage(Command):
    kind: Literal["account_event.Reject"] = "account_event.Reject"
    message_id: Annotated[str, Field(min_length=1, max_length=KEY_CHARS_MAX)]
    reason: Annotated[str, Field(max_length=TEXT_CHARS_MAX)]
    excerpt: Annotated[str, Field(max_length=TEXT_CHARS_MAX)] = ""
    sent_at: AwareDatetime

    @property
    def subject(self) -> Stream:
        return Stream("account_event", self.message_id)


def decide_failure(states: States, command: RecordVendingFailure, context: Context) -> Decision:
    authority = require(context, Action.OBSERVE_ORGANIZATION, NodePath.ROOT)
    if states[command.subject]:
        return Decision(message="This failure is recorded already.")
    fields = {name: getattr(command, name) for name in VendingFailed.model_fields}
    return Decision([Event(command.subject, VendingFailed.model_validate(fields))], "Recorded.", authority)


def decide_reject(states: States, command: RejectMessage, context: Context) -> Decision:
    authority = require(context, Action.OBSERVE_ORGANIZATION, NodePath.ROOT)
    if states[command.subject]:
        return Decision(message="This message is put aside already.")
    fields = {name: getattr(command, name) for name in MessageRejected.model_fields}
    return Decision([Event(command.subject, MessageRejected.model_validate(fields))], "Put aside.", authority)


def evolve(_: bool, fact: VendingFailed | MessageRejected) -> bool:
    """Whether it is recorded."""
    return isinstance(fact, VendingFailed | MessageRejected)


RULES: dict[type[Command], Rule] = {
    RecordVendingFailure: Rule(lambda command, _context: (command.subject,), decide_failure),
    RejectMessage: Rule(lambda command, _context: (command.subject,), decide_reject),
}
FACTS: tuple[type[Fact], ...] = (VendingFailed, MessageRejected)
