"""What all commands share in which somebody acts: who, the answer's form, how long to wait, the command's id."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Concatenate

from command_line import options
from command_line.session import Session

_SHARED: dict[str, tuple[Any, Any]] = {
    "actor": (options.As, None),
    "as_json": (options.Json, False),
    "timeout_s": (options.AnswerWithin, options.ANSWER_WITHIN_S),
    "command_id": (options.CommandId, None),
}
_SHARED_OF_WORK = _SHARED | {"timeout_s": (options.WorkWithin, options.WORK_WITHIN_S)}


def acting[**P](command: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """A command that decides: it is given a Session, made of the options that all of them share."""
    return _with_session(command, _SHARED)


def working[**P](command: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """A command whose work takes its time."""
    return _with_session(command, _SHARED_OF_WORK)


def _with_session(command: Callable[..., None], shared: dict[str, tuple[Any, Any]]) -> Callable[..., None]:
    """Typer reads options from a function's parameters, so that the shared ones are added to those of the command."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in shared.items()
    ]

    def run(**given: Any) -> None:
        surroundings = {name: given.pop(name) for name in shared}
        command(Session.open(**surroundings), **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]  # read by `inspect.signature`
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *added]}
    return run
