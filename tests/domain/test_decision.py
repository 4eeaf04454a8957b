"""What every command and decision is made of: texts that may be stored, names of streams, the states that were read."""

from __future__ import annotations

from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from domain.decision import (
    NOTE_CHARS_MAX,
    SYSTEM_ID,
    Context,
    LineText,
    NoteText,
    ReasonText,
    States,
    Stream,
    plain_text,
    refusal_stream,
)
from domain.errors import ERRORS, NEVER_RETRIED, AllotError, Forbidden, NotFound, Refusal, error_named
from tests.domain.specs import ADMIN, NOW, ORGANIZATION, RIGHTS

STEERING = ["\x00", "\x07", "\x1b[2J", "\x7f", "\x9b", "\ud800"]
"""Control characters, an escape sequence, half of a pair that cannot be stored."""


@pytest.mark.parametrize("character", STEERING)
def test_no_text_steers_a_terminal_or_breaks_the_store(character: str) -> None:
    for kind in (NoteText, ReasonText):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(f"too {character} flat")
    with pytest.raises(ValidationError):
        TypeAdapter(LineText).validate_python(f"too {character} flat")
    with pytest.raises(ValueError, match=r"^a text must not hold control characters: remove them$"):
        plain_text(f"too {character} flat")


def test_a_note_may_have_lines_and_a_name_may_not() -> None:
    note = "first\r\n\tsecond \N{PARTY POPPER}\N{ZERO WIDTH JOINER}\u2028third"
    assert TypeAdapter(NoteText).validate_python(note) == note
    for broken in ("a\nb", "a\rb", "a\tb", "a\u2028b", "a\u2029b"):
        with pytest.raises(ValidationError, match="a name must be on one line, without control characters"):
            TypeAdapter(LineText).validate_python(broken)
    # Not printable, and harmless.
    name = "A\N{NO-BREAK SPACE}b\N{ZERO WIDTH JOINER}"
    assert TypeAdapter(LineText).validate_python(name) == name


def test_a_reason_says_something_and_not_too_much() -> None:
    reason = TypeAdapter(ReasonText)
    assert reason.validate_python("  too flat ") == "too flat"
    assert reason.validate_python("x" * NOTE_CHARS_MAX)
    for wrong in ("", " \n", "x" * (NOTE_CHARS_MAX + 1)):
        with pytest.raises(ValidationError):
            reason.validate_python(wrong)


def test_a_refusal_has_a_stream_of_its_own() -> None:
    assert refusal_stream(UUID(int=1)) == Stream("refusal", "00000000-0000-0000-0000-000000000001")
    assert str(Stream("schedule", "2026/a")) == "schedule/2026/a"
    assert Stream("schedule", "2026/a").id != Stream("schedule", "2026/b").id


def test_states_tell_what_was_read_and_at_which_version() -> None:
    one, other = Stream("a", "1"), Stream("a", "2")
    states = States({one: ("first", 3), other: ("second", 0)})
    assert (states[one], states.version(one), states.version(other)) == ("first", 3, 0)
    assert (list(states), len(states)) == ([one, other], 2)


def test_an_error_crosses_a_process_boundary_by_its_name() -> None:
    for name, kind in ERRORS.items():
        error = error_named(name, "what is wrong", "Why")
        assert (type(error), error.message, str(error), error.code) == (kind, "what is wrong", "what is wrong", "Why")
        assert error_named(name, "x").code == name
        assert (name in NEVER_RETRIED) is not kind.retryable
    assert type(error_named("SomethingElse", "x")) is AllotError
    assert {"AllotError", "DamagedReport", "Forbidden", "Contention"} <= ERRORS.keys()
    assert Forbidden("no").exit_code == 4


def test_allot_itself_is_nobody_whom_a_command_may_name() -> None:
    context = Context(NOW, ADMIN, ORGANIZATION, {"system": SYSTEM_ID, "ann": ADMIN.person_id}, RIGHTS)
    assert context.person("ann") == ADMIN.person_id
    with pytest.raises(Refusal) as refused:
        context.person("system")
    assert (refused.value.code, refused.value.message) == (
        "SystemActor",
        "Allot itself is no person: name somebody by their address.",
    )
    with pytest.raises(NotFound) as unknown:
        context.person("bo")
    assert (unknown.value.code, unknown.value.message) == (
        "UnknownPerson",
        "The person named in this command is not known here: check the address, or ask a Financial Admin to add them "
        "with `allot person add`.",
    )
