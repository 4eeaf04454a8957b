"""What a person reads when a command fails, and the exit status: what is wrong, which id, what to do next."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from command_line.output import note
from domain.errors import ERRORS, AllotError, BadInput
from embedded.errors import AlreadyRunning, EmbeddedError, Missing, StartFailed

INTERRUPTED = 130
"""As shells report a process that Ctrl-C ended."""
EMBEDDED_EXIT_CODES: Mapping[type[EmbeddedError], int] = {AlreadyRunning: 21, Missing: 22, StartFailed: 23}
"""Away from those of the error tree, which may grow."""
TRACE_VARIABLE = "ALLOT_TRACE"
"""Set to anything, an unforeseen error shows where it comes from."""


def exit_code_of(error: BaseException) -> int:
    """Says on stderr what went wrong, and returns the exit status for it."""
    match error:
        case KeyboardInterrupt():
            note("Interrupted.")
            return INTERRUPTED
        case AllotError():
            note(f"{error.code}: {error.message}", style="red")
            return error.exit_code
        case EmbeddedError():
            note(f"{type(error).__name__}: {error}", style="red")
            return EMBEDDED_EXIT_CODES[type(error)]
        case ValidationError():
            note(f"BadInput: {wrong_fields(error)}", style="red")
            return BadInput.exit_code
    if os.environ.get(TRACE_VARIABLE):
        note("".join(traceback.format_exception(error)))
    note(
        f"Unforeseen: {type(error).__name__}: {error}. Please report this, with what {TRACE_VARIABLE}=1 shows.",
        style="red",
    )
    return AllotError.exit_code


def wrong_fields(error: ValidationError) -> str:
    """A value on the command line that no command may hold, by its name."""
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']).replace('_', '-') or 'the command'}: "
        f"{_what_is_wrong(problem)}"
        for problem in error.errors(include_input=False, include_url=False)
    ]
    return "; ".join(problems) + "."


def _what_is_wrong(problem: ErrorDetails) -> str:
    """In words for whoever typed it."""
    limits = problem.get("ctx", {})
    of_text = problem["type"].startswith("string_") or limits.get("field_type") == "Value"
    match problem["type"].removeprefix("string_"):
        case "too_short" if of_text and limits.get("min_length") == 1:
            return "must not be empty"
        case "too_long" if of_text:
            return f"has more than {limits['max_length']:,} characters, the most that are kept"
    return problem["msg"].removeprefix("Value error, ")


MEANINGS: Mapping[str, str] = {
    "AllotError": "something that was not foreseen: please report it",
    "BadInput": "the command line, a file or a setting is wrong",
    "Refusal": "a rule of the budget says no; the refusal is recorded",
    "Forbidden": "this person may not do that here",
    "NotFound": "there is no such product, account, person, year, report …",
    "StaleVersion": "what was decided on has moved meanwhile: look again",
    "CommandConflict": "this command id belongs to another command",
    "DamagedReport": "a cost report is incomplete or broken, or figures do not add up to the report",
    "UnreadableEvent": "what is stored does not fit this version of Allot",
    "Contention": "too many writers at once: the same command may be given again",
    "Unavailable": "Temporal, PostgreSQL, AWS or a worker does not answer; the message says which",
    "AlreadyRunning": "`allot up` or `allot demo` runs here already",
    "Missing": "a program is not on this machine; the message says how to get it",
    "StartFailed": "a server or worker did not come up, or ended by itself",
}


def exit_codes() -> list[tuple[int, str, str]]:
    """For the documentation: status, name, meaning."""
    names = {name: error.exit_code for name, error in ERRORS.items()}
    names |= {error.__name__: code for error, code in EMBEDDED_EXIT_CODES.items()}
    found = [(status, name, MEANINGS[name]) for name, status in names.items()]
    return sorted([(0, "", "done"), *found, (INTERRUPTED, "", "interrupted by Ctrl-C")])
