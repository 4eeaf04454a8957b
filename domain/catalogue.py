"""The event catalogue as Markdown, from the facts themselves: `make docs` writes it, a test compares it."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any

from domain.decision import Fact
from domain.registry import FACTS

_HEAD = """# Event catalogue

Every event that Allot records, by its stored name. This page is generated from the code by `make docs`; a test fails
when it is out of date. An event is stored as JSON with an envelope around it: event id, stream and version in it,
actor, on behalf of whom, channel, command id, workflow and run that recorded it, and when. People appear by opaque id
only.

Amounts are decimals written as text, in the currency that stands beside them. Nothing is ever changed or deleted; a
field is only added, with a default, and an older version of an event is read through its upcasters.
"""


def catalogue() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_entry(fact) for _, fact in sorted(FACTS.items()))])


def _entry(fact: type[Fact]) -> str:
    rows = "\n".join(_row(name, field) for name, field in fact.model_fields.items())
    return (
        f"## `{fact.fact_name}` (version {fact.fact_version})\n\n{inspect.cleandoc(fact.__doc__ or '')}\n\n"
        f"| field | type | default |\n|---|---|---|\n{rows}\n"
    )


def _row(name: str, field: Any) -> str:
    default = "" if field.is_required() else f"`{field.default!r}`"
    return f"| `{name}` | {_type(field.annotation)} | {default} |"


def _type(annotation: Any) -> str:
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if argument is type(None) else _type(argument) for argument in arguments)
    if arguments:
        inner = ", ".join("…" if argument is Ellipsis else _type(argument) for argument in arguments)
        return f"{_type(origin)} of ({inner})"
    return str(getattr(annotation, "__name__", annotation))
