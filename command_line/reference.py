"""Writes `docs/commands.md` from the commands themselves: `python -m command_line.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from command_line.app import app
from command_line.failures import exit_codes

FILE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """\
# Commands

Written by `python -m command_line.reference` from the commands themselves; a test compares the two.

Every command takes `--json`: one JSON document on stdout and nothing else there, keys that stay, amounts as text with
all their digits. Who acts is named by `--as EMAIL` or by the variable `ALLOT_AS`. Notes, progress and errors go to
stderr.

A decision has an id, made by the command line or given by `--command-id`. Where no answer comes in time, the error
prints it: give the same command again with that id, and it is carried out once at most.

## Exit status

| status | name | meaning |
|---:|---|---|
"""


def reference() -> str:
    """The whole page."""
    rows = [f"| {code} | {f'`{name}`' if name else ''} | {meaning} |" for code, name, meaning in exit_codes()]
    parts = [HEAD + "\n".join(rows) + "\n"]
    parts += [_section(path, command) for path, command in _commands("allot", typer.main.get_command(app))]
    return "\n".join(parts)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, child in inner.items():
        yield from _commands(f"{path} {name}", child)


def _section(path: str, command: Any) -> str:
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    flags = [p for p in parameters if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([path, *(_placeholder(argument) for argument in arguments), "[OPTIONS]"])
    lines = [f"## `{path}`", "", command.help.strip(), "", "```", usage, "```"]
    if parameters:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| `{_cell(_placeholder(p))}` | {_cell(_text(p))} |" for p in arguments]
        lines += [f"| `{_cell(_flag(p))}` | {_cell(_text(p))} |" for p in flags]
    return "\n".join(lines) + "\n"


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _flag(option: Any) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        names += " / " + ", ".join(option.secondary_opts)
    return names if option.is_flag else f"{names} {option.metavar or option.name.upper().replace('_', '-')}"


def _text(parameter: Any) -> str:
    text: str = parameter.help or ""
    if parameter.required and parameter.param_type_name == "option":
        text += " Required."
    if parameter.default not in (None, False, "", True, []) and not callable(parameter.default):
        text += (
            f" Default: {parameter.default:g}."
            if isinstance(parameter.default, float)
            else f" Default: `{parameter.default}`."
        )
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
    sys.stderr.write(f"{FILE} is up to date\n")
