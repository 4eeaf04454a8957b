"""README promises only what is there: make targets, commands, people of the demo."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import typer

from command_line.app import app
from command_line.demo_company import DIRECTORY

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES_MAX = 70
"""One screen, pictures aside."""


def leads_to_a_command(arguments: list[str]) -> bool:
    command: Any = typer.main.get_command(app)
    while commands := getattr(command, "commands", None):
        if not arguments or arguments[0] not in commands:
            return False
        command = commands[arguments.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts}
    return all(argument in known for argument in arguments if argument.startswith("--"))


def test_readme_fits_on_a_screen() -> None:
    assert len(README.splitlines()) <= LINES_MAX


def test_every_make_target_that_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_every_command_that_readme_names_exists() -> None:
    commands = [shlex.split(line)[1:] for line in re.findall(r"^\.venv/bin/allot .*$", README, re.MULTILINE)]
    assert commands
    assert all(leads_to_a_command(command) for command in commands)
    assert not leads_to_a_command(["rollup", "--nonsense"])
    assert not leads_to_a_command(["nonsense"])


def test_everybody_that_readme_names_works_for_the_demo_s_company() -> None:
    people = set(re.findall(r"[\w.]+@example\.com", README))
    assert people
    assert people <= set(re.findall(r"[\w.]+@example\.com", (DIRECTORY / "company.toml").read_text(encoding="utf-8")))
