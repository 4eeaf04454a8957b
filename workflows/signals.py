"""Signals as other people and systems send them: read without ever failing, whatever they hold.

What can be read as a command becomes one; everything else becomes a refusal that says what is wrong with it. Each kind
of process says what it takes, and what of it the process knows by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.contracts import RefusalRequest
    from domain.decision import PERSON_REFERENCE_CHARS_MAX, Channel, Command, Stream
    from domain.errors import BadInput
    from domain.model import Model
    from domain.money import AMOUNT_DIGITS_MAX
    from domain.registry import AnyCommand

SIGNAL_BYTES_MAX = 32_768
"""Bytes of a signal that are looked at; the longest command we know of takes a tenth of it."""
EXCERPT_BYTES_MAX = 2_000
SIGNAL_NAME_CHARS_MAX = 100
PROBLEMS_SHOWN_MAX = 3
PROBLEM_CHARS_MAX = 150
OURS = "Value error, "
"""What pydantic puts before the messages of our own checks."""
JSON_ENCODINGS = frozenset({b"json/plain"})


@dataclass(frozen=True, slots=True)
class Door:
    """What signals a process takes."""

    commands: Mapping[str, type[Command]]
    """By the signal's name."""
    subject: Stream
    """What refusals are shown with."""
    known: Mapping[str, Any]
    """Fields that the process fills in where the sender gives none."""
    problem: Callable[[Any], str | None]
    """Says so where a command is for another process."""


class Message(Model):
    """A signal that waits for its turn: either a command or, where it could not be read, its refusal."""

    command: AnyCommand | None = None
    refusal: RefusalRequest | None = None


class _UnreadableError(Exception):
    """What is wrong, for the sender; never leaves this module."""


def read_signal(name: str, args: Sequence[RawValue], door: Door, new_id: UUID) -> Message:
    """Never raises: that would leave the process stuck. `new_id` serves where the sender gave none."""
    try:
        fields = _fields(name, args, door)
        try:
            return Message(command=_command(name, fields, door, new_id))
        except _UnreadableError as problem:
            return Message(refusal=refusal(name, str(problem), door, new_id, _excerpt(args), _actor(fields)))
    except _UnreadableError as problem:
        return Message(refusal=refusal(name, str(problem), door, new_id, _excerpt(args)))


def refusal(name: str, problem: str, door: Door, new_id: UUID, excerpt: str = "", actor: str = "") -> RefusalRequest:
    return RefusalRequest(
        command_id=new_id,
        category=door.subject.category,
        key=door.subject.key,
        command=_printable(name)[:SIGNAL_NAME_CHARS_MAX],
        message=problem,
        code=BadInput.__name__,
        actor=actor,
        excerpt=excerpt,
    )


def _fields(name: str, args: Sequence[RawValue], door: Door) -> dict[str, Any]:
    if name not in door.commands:
        known = ", ".join(door.commands)
        raise _UnreadableError(f"There is no signal {_printable(name)[:SIGNAL_NAME_CHARS_MAX]!r} here: send {known}.")
    if len(args) != 1:
        raise _UnreadableError(f"The signal {name} takes one JSON object as its input; {len(args)} inputs were sent.")
    value = _json(name, args[0].payload)
    if not isinstance(value, dict):
        raise _UnreadableError(f"The input of the signal {name} must be a JSON object, in braces.")
    return value


def _json(name: str, payload: Payload) -> Any:
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return None
    if encoding not in JSON_ENCODINGS:
        shown = _printable(encoding[:PROBLEM_CHARS_MAX].decode(errors="replace"))
        raise _UnreadableError(f"The input of the signal {name} must be JSON; its encoding is {shown!r}.")
    if len(payload.data) > SIGNAL_BYTES_MAX:
        raise _UnreadableError(
            f"The input of the signal {name} has {len(payload.data):,} bytes; at most {SIGNAL_BYTES_MAX:,} are read."
        )
    try:
        # A person writes 100.50 without quotes; as a float it would have lost what was meant.
        return json.loads(payload.data.decode(), parse_float=_number)
    except (ValueError, RecursionError):
        raise _UnreadableError(f"The input of the signal {name} is not JSON.") from None


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if abs(number.adjusted()) > AMOUNT_DIGITS_MAX:
        raise ValueError("1e999999999 as a whole number would fill the memory")
    return number


def _command(name: str, fields: dict[str, Any], door: Door, new_id: UUID) -> AnyCommand:
    wanted = door.commands[name]
    known = {"kind": wanted.model_fields["kind"].default, **door.known, "command_id": new_id}
    try:
        command = wanted.model_validate({**known, **fields, "channel": Channel.SIGNAL})
    except ValidationError as error:
        raise _UnreadableError(f"The input of the signal {name} is wrong: {_problems(error)}.") from None
    except (ValueError, RecursionError, OverflowError):
        raise _UnreadableError(f"The input of the signal {name} cannot be understood.") from None
    if problem := door.problem(command):
        raise _UnreadableError(problem)
    return command  # type: ignore[return-value] # what a door takes is one of AnyCommand


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        _printable(f"{'.'.join(map(str, problem['loc'])) or 'input'}: {problem['msg'].removeprefix(OURS)}")[
            :PROBLEM_CHARS_MAX
        ]
        for problem in found[:PROBLEMS_SHOWN_MAX]
    ]
    rest = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest else "")


def _actor(fields: dict[str, Any]) -> str:
    actor = fields.get("actor")
    return _printable(actor) if isinstance(actor, str) and len(actor) <= PERSON_REFERENCE_CHARS_MAX else ""


def _excerpt(args: Sequence[RawValue]) -> str:
    """The beginning of what was sent."""
    beginnings = [argument.payload.data[:EXCERPT_BYTES_MAX].decode(errors="replace") for argument in args[:2]]
    return _printable(", ".join(beginnings))[:EXCERPT_BYTES_MAX]


def _printable(text: str) -> str:
    """Without halves of characters and control characters, which neither JSON nor PostgreSQL would take."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
