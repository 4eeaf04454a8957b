"""How an error of ours leaves an activity: by its class name, tried again or not, with its code as a detail."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError

from domain.errors import AllotError


def to_application_error(error: AllotError) -> ApplicationError:
    """Raise it `from` the error."""
    return ApplicationError(error.message, error.code, type=type(error).__name__, non_retryable=not error.retryable)
