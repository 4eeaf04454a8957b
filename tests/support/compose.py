"""What docker-compose.yml says of a service, so that tests start the very same command as a plain process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from embedded.process import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
# ${NAME}, ${NAME:-default} and ${NAME-default}: all that the file uses.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_][A-Z0-9_]*)(?::?-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Service:
    """One service, its variables filled in."""

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    healthcheck: tuple[str, ...]
    """The program and its arguments; empty where the file has no check."""
    content: Mapping[str, Any]
    """Everything the file says, as it stands there after anchors and merges."""


def services(variables: Mapping[str, str] | None = None, path: Path = COMPOSE_FILE) -> dict[str, Service]:
    """All services; variables are those of the shell or `.env`, by default none."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _service(service, variables or {}) for name, service in content["services"].items()}


def service(name: str, variables: Mapping[str, str] | None = None) -> Service:
    return services(variables)[name]


def process_environment(name: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """For a plain process: what the file sets, and in place of names that only containers resolve, the overrides."""
    unknown = overrides.keys() - service(name).environment.keys() - {"PATH", "HOME"}
    assert not unknown, f"docker-compose.yml does not set {sorted(unknown)} for {name}"
    return {"PATH": os.environ["PATH"], **service(name).environment, **overrides}


def _service(content: dict[str, Any], variables: Mapping[str, str]) -> Service:
    def resolve(text: object) -> str:
        return _VARIABLE.sub(lambda found: variables.get(found["name"]) or found["default"] or "", str(text))

    environment = {}
    for name, value in content.get("environment", {}).items():
        if value is not None:
            environment[name] = resolve(value)
        elif name in variables:  # named without a value: passed on
            environment[name] = variables[name]
    kind, *check = content.get("healthcheck", {}).get("test", ["NONE"])
    program = {"CMD": check, "CMD-SHELL": ["sh", "-c", *check], "NONE": []}[kind]
    return Service(
        image=resolve(content.get("image", "")),
        command=tuple(resolve(part) for part in content.get("command", content.get("entrypoint", ()))),
        environment=environment,
        healthcheck=tuple(resolve(part) for part in program),
        content=content,
    )
