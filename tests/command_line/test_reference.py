"""Every command is documented, and can do what every command can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from command_line.app import app
from command_line.failures import exit_codes
from command_line.reference import FILE, reference
from domain.errors import ERRORS

DECISIONS = {
    "schedule submit",
    "schedule approve",
    "schedule reject",
    "account allocate",
    "person add",
    "person grant",
    "budget load",
}


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from commands(child, f"{path}{name} ")
        else:
            yield f"{path}{name}", child


ALL = dict(commands(typer.main.get_command(app)))


def flags(name: str) -> set[str]:
    return {flag for parameter in ALL[name].params for flag in parameter.opts}


def test_the_reference_is_what_the_commands_say() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run `python -m command_line.reference`"


def test_the_reference_names_every_command() -> None:
    assert {f"## `allot {name}`" for name in ALL} <= set(reference().splitlines())


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_json_and_says_what_it_does(name: str) -> None:
    assert "--json" in flags(name)
    assert ALL[name].help
    assert all(parameter.help for parameter in ALL[name].params)


@pytest.mark.parametrize("name", sorted(DECISIONS))
def test_every_decision_has_an_actor_an_id_and_a_limit(name: str) -> None:
    assert {"--as", "--command-id", "--timeout"} <= flags(name)


def test_exit_statuses_are_those_of_the_error_tree_and_no_two_mean_the_same() -> None:
    documented = exit_codes()
    assert {name for _, name, _ in documented} >= set(ERRORS)
    assert len({status for status, _, _ in documented}) == len(documented)
