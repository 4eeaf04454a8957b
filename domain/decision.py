"""The shape of every decision (state + command + context → events, or a refusal) and fold (state + event → state).

stream    one subject's events, in order: `schedule/2026/Retail/Digital/Web/Checkout`
fact      what happened, in the past tense, stored for ever under a name and a version of its own
command   what somebody wants, with an id made by its sender; decided once, however often it is delivered
rule      which streams a command's decision reads, and the pure function that decides
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple
from uuid import UUID, uuid5

from pydantic import AfterValidator, Field, StringConstraints

from domain.actor import (
    NAMESPACE as NAMESPACE,
)
from domain.actor import (
    SYSTEM as SYSTEM,
)
from domain.actor import (
    SYSTEM_ID as SYSTEM_ID,
)
from domain.actor import (
    Action as Action,
)
from domain.actor import (
    Actor as Actor,
)
from domain.actor import (
    Authority as Authority,
)
from domain.actor import (
    Grant as Grant,
)
from domain.actor import (
    Persona as Persona,
)
from domain.actor import (
    PersonId as PersonId,
)
from domain.actor import (
    Question as Question,
)
from domain.actor import (
    Rights as Rights,
)
from domain.actor import (
    Ruling as Ruling,
)
from domain.business_days import PLAIN_WEEK, BusinessCalendar
from domain.calendar import FiscalCalendar, Month
from domain.errors import NotFound, Refusal
from domain.model import Model

NOTE_CHARS_MAX = 2_000
"""Characters of a note or reason."""
PERSON_REFERENCE_CHARS_MAX = 320
"""Characters of an e-mail address (RFC 5321: 64 + @ + 255) or of a person's id."""


def plain_text(text: str) -> str:
    """Raises ValueError for control characters, which steer terminals or cannot be stored; lines may be broken."""
    if not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\r\n" for c in text):
        raise ValueError("a text must not hold control characters: remove them")
    return text


def plain_line(text: str) -> str:
    """Raises ValueError for control characters and line breaks."""
    if not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise ValueError("a name must be on one line, without control characters")
    return text


NoteText = Annotated[str, Field(max_length=NOTE_CHARS_MAX), AfterValidator(plain_text)]
ReasonText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NOTE_CHARS_MAX),
    AfterValidator(plain_text),
]
LineText = Annotated[str, AfterValidator(plain_line)]
PersonReference = Annotated[str, Field(min_length=1, max_length=PERSON_REFERENCE_CHARS_MAX)]


class Channel(StrEnum):
    """The door a command came through."""

    CLI = "cli"
    UPDATE = "update"
    SIGNAL = "signal"
    WORKFLOW = "workflow"  # Allot on its own
    SETUP = "setup"


INTERNAL_CHANNELS = frozenset({Channel.WORKFLOW, Channel.SETUP})
"""Only through these may the system be the actor."""


class Stream(NamedTuple):
    """The identity of one subject's history."""

    category: str
    key: str

    @property
    def id(self) -> UUID:
        return uuid5(NAMESPACE, f"{self.category}/{self.key}")

    def __str__(self) -> str:
        return f"{self.category}/{self.key}"


class Fact(Model):
    """Something that happened. Flat; stored with `fact_name` and `fact_version`, never with the module's path."""

    fact_name: ClassVar[str]
    fact_version: ClassVar[int] = 1
    upcasters: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
    """From each older version to the next one, on the stored JSON."""


class Command(Model):
    """What somebody wants. Each subclass has a `kind`, by which it is told apart in messages."""

    hints: ClassVar[frozenset[str]] = frozenset()
    """Fields that only help to decide and do not belong to what is wanted: two commands may differ in them and be the
    same. A decision never relies on them unchecked."""

    kind: str
    command_id: UUID
    actor: PersonReference
    """Who acts: an e-mail address, a person's id, or `system`. Resolved and checked where the event is recorded."""
    channel: Channel = Channel.UPDATE
    """Every other door says so itself."""

    def people(self) -> tuple[str, ...]:
        """References to persons other than the actor, to be resolved before the decision."""
        return ()

    @property
    def subject(self) -> Stream:
        """The stream that this is about; refusals are shown with it."""
        raise NotImplementedError


class Event(NamedTuple):
    """A fact and the stream it belongs to, about to be recorded."""

    stream: Stream
    fact: Fact


class Decision(NamedTuple):
    """A yes: what is recorded, and what the person is told. No events means that nothing had to change."""

    events: Sequence[Event] = ()
    message: str = ""
    authority: Authority = Authority()


@dataclass(frozen=True, slots=True)
class Organization:
    """The one company of this installation."""

    currency: str = "USD"
    calendar: FiscalCalendar = FiscalCalendar()
    payer_account_id: str | None = None
    business: BusinessCalendar = PLAIN_WEEK


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision may know besides the streams: when, who and where. `now` is UTC and comes from the recorder."""

    now: datetime
    actor: Actor
    organization: Organization
    people: Mapping[str, PersonId]
    rights: Rights
    delegators: tuple[Actor, ...] = ()
    """Those who have delegated their decisions to the actor today."""

    def person(self, reference: str) -> PersonId:
        """Raises NotFound for somebody who is not in the directory of people, and Refusal for Allot itself: if it could
        be deactivated, all that it does on its own would stop."""
        if (person_id := self.people.get(reference)) == SYSTEM_ID:
            raise Refusal("Allot itself is no person: name somebody by their address.", code="SystemActor")
        if person_id is None:
            raise NotFound(
                "The person named in this command is not known here: check the address, "
                "or ask a Financial Admin to add them with `allot person add`.",
                code="UnknownPerson",
            )
        return person_id

    @property
    def today(self) -> date:
        """In UTC, as AWS counts."""
        return self.now.date()

    @property
    def business_day(self) -> date:
        """Where the organization has its office."""
        return self.organization.business.day_of(self.now)

    @property
    def this_month(self) -> Month:
        return Month.of(self.today)


class Fold(NamedTuple):
    """How a category's state grows from its facts."""

    initial: Any
    evolve: Callable[[Any, Any], Any]


class States(Mapping[Stream, Any]):
    """The folded states and versions of the streams that a decision reads; a stream without events has version 0."""

    def __init__(self, states: Mapping[Stream, tuple[Any, int]]) -> None:
        self._states = states

    def __getitem__(self, stream: Stream) -> Any:
        return self._states[stream][0]

    def version(self, stream: Stream) -> int:
        return self._states[stream][1]

    def __iter__(self) -> Any:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


class Rule(NamedTuple):
    """Which streams are read, and what is decided. A stream written to but not read must not have any events yet.

    `reads` gets the context without the actor's grants, which are folded from what is read.
    """

    reads: Callable[[Any, Context], Iterable[Stream]]
    decide: Callable[[States, Any, Context], Decision]
    reads_more: Callable[[States, Any, Context], Iterable[Stream]] = lambda _states, _command, _context: ()
    """What only the first states tell to read. All is read again then, so that it belongs together."""


class Accepted(Model):
    """The answer to a command that was recorded, or that had nothing to change."""

    kind: Literal["accepted"] = "accepted"
    message: str = ""
    events: int = 0
    """How many facts were recorded; 0 where nothing had to change."""
    position: int = 0
    """Log position of the last fact: a view that has reached it shows this decision."""
    version: int = 0
    """Version of the command's subject after the decision."""


class Refused(Model):
    """The answer to a command that a rule does not allow."""

    kind: Literal["refused"] = "refused"
    error: str
    """Class name in the error tree (`domain.errors`)."""
    code: str
    message: str
    position: int = 0


Outcome = Annotated[Accepted | Refused, Field(discriminator="kind")]


class CommandRefused(Fact):
    """A command that was refused, kept in a stream of its own so that the subject's version does not move."""

    fact_name: ClassVar[str] = "command.Refused"

    subject: str
    command: str
    error: str
    code: str
    message: str
    excerpt: str = ""
    """The beginning of what was sent, where it could not be read as a command."""


def refusal_stream(command_id: UUID) -> Stream:
    """Each refusal is a stream of one event: no contention, and twice is impossible."""
    return Stream("refusal", str(command_id))


class RecordedEvent(NamedTuple):
    """A fact with its envelope, as read back from the ledger."""

    position: int
    """Place in the log: 1 and up, never reused, may have holes; 0 when read from its stream alone."""
    event_id: UUID
    stream_id: UUID
    stream: str
    """`category/key`, as text."""
    stream_version: int
    fact: Fact
    actor: PersonId
    on_behalf_of: PersonId | None
    channel: Channel
    command_id: UUID
    workflow_id: str
    workflow_run_id: str
    activity_id: str
    recorded_at: datetime
    policies: tuple[str, ...] = ()
    """Ids of the policies that allowed or, for a refusal, forbade it."""
    policy_version: str = ""


class Origin(Model):
    """Which process recorded it: correlation and causation of the envelope."""

    workflow_id: str = ""
    workflow_run_id: str = ""
    activity_id: str = ""
