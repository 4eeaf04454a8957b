"""Everything that can go wrong, as one tree. A class says who must act, and how every door reports it.

    AllotError                 exit  HTTP  tried again
    ├── BadInput                 2   422   no    the file, flag or message itself is wrong
    │   └── DamagedReport        8   422   no    a cost report is incomplete, broken or does not add up
    ├── Refusal                  3   409   no    a rule of the budget says no; recorded
    │   ├── Forbidden            4   403   no    this person may not do that here
    │   ├── NotFound             5   404   no    there is no such product, account, person …
    │   └── StaleVersion         6   409   no    what was decided on has moved since
    ├── CommandConflict          7   409   no    this command id belongs to another command
    ├── UnreadableEvent         11   500   no    what is stored does not fit this version of Allot
    ├── Contention               9   503   yes   too many writers on one stream; the same command may be sent again
    └── Unavailable             10   503   yes   Temporal, PostgreSQL or AWS does not answer

A message says what is wrong, with which id, and what to do next. The class name is the `type` of the Temporal
`ApplicationError`, and `code` tells refusals of one class apart.
"""

from __future__ import annotations

from typing import ClassVar


class AllotError(Exception):
    """Root of the tree; never raised itself."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).__name__


class BadInput(AllotError):
    exit_code, http_status = 2, 422


class DamagedReport(BadInput):
    exit_code = 8


class Refusal(AllotError):
    """A rule says no. The answer is kept with the command id: the same command gets it again."""

    exit_code, http_status = 3, 409


class Forbidden(Refusal):
    exit_code, http_status = 4, 403

    def __init__(self, message: str, *, code: str | None = None, policies: tuple[str, ...] | None = None) -> None:
        super().__init__(message, code=code)
        self.policies = policies
        """Ids of those that forbid it; empty where it is only that none allows it, None where they were not asked."""


class NotFound(Refusal):
    exit_code, http_status = 5, 404


class StaleVersion(Refusal):
    exit_code = 6


class CommandConflict(AllotError):
    exit_code, http_status = 7, 409


class UnreadableEvent(AllotError):
    exit_code = 11


class Contention(AllotError):
    exit_code, http_status, retryable = 9, 503, True


class Unavailable(AllotError):
    exit_code, http_status, retryable = 10, 503, True


def _tree(root: type[AllotError]) -> dict[str, type[AllotError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


ERRORS: dict[str, type[AllotError]] = _tree(AllotError)
"""By class name, as it travels in `ApplicationError.type` and in a stored refusal."""

NEVER_RETRIED: tuple[str, ...] = tuple(name for name, error in ERRORS.items() if not error.retryable)
"""For `RetryPolicy.non_retryable_error_types`."""


def error_named(name: str, message: str, code: str | None = None) -> AllotError:
    """The error that crossed a process boundary as a name and a message."""
    return ERRORS.get(name, AllotError)(message, code=code)
