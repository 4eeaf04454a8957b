"""What a state directory says about the stack that runs in it: who owns it, which processes, at which addresses."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from embedded.errors import AlreadyRunning
from embedded.process import Recorded, Stopping

STATE_DIR_VARIABLE = "ALLOT_STATE_DIR"
DEFAULT_STATE_DIR = Path(".allot")
PRIVATE_FILE = 0o600


def chosen_state_dir() -> Path:
    """`ALLOT_STATE_DIR`, else `.allot` in the directory where the command runs."""
    return Path(os.environ.get(STATE_DIR_VARIABLE) or DEFAULT_STATE_DIR)


class State:
    """The files of one state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.running = self.directory / "running.json"
        self.embedded_env = self.directory / "embedded.env"
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Takes the directory, for as long as this process lives: the system frees the lock of a killed one."""
        self.directory.mkdir(parents=True, exist_ok=True)
        file = (self.directory / "lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise AlreadyRunning(self._already_running()) from None
        self._lock = file

    def is_locked(self) -> bool:
        """Whether a living process owns the directory."""
        try:
            with (self.directory / "lock").open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write(self, owner: Recorded, children: list[Recorded], ui_url: str) -> None:
        """Notes what runs, so that the next start can end what a killed owner left."""
        content = {"owner": owner._asdict(), "ui_url": ui_url, "children": [child._asdict() for child in children]}
        _replace(self.running, json.dumps(content, indent=2))

    def write_environment(self, variables: Mapping[str, str]) -> None:
        """For every other `allot` command; see `settings.EMBEDDED_FILE`."""
        lines = ["# Written by the running embedded stack, removed when it stops."]
        lines += [f"{name}={_quoted(value)}" for name, value in variables.items()]
        _replace(self.embedded_env, "\n".join(lines) + "\n")

    def owner(self) -> Recorded | None:
        owner = self._read().get("owner")
        return _recorded(owner) if owner else None

    def children(self) -> list[Recorded]:
        return [_recorded(child) for child in self._read().get("children", ())]

    def clear(self) -> None:
        self.running.unlink(missing_ok=True)
        self.embedded_env.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.running.read_text())
        except (OSError, ValueError):  # nothing runs, or the machine stopped while it was written
            return {}
        return content

    def _already_running(self) -> str:
        content = self._read()
        owner = _recorded(content["owner"]) if content else None
        who = f"pid {owner.pid}, Temporal UI {content['ui_url']}" if owner else "it is just starting"
        return f"Allot is already running in {self.directory} ({who}); use it, or stop it with `allot down`"


def _recorded(content: dict[str, Any]) -> Recorded:
    stopping = [Stopping(*pair) for pair in content["stopping"]]
    return Recorded(content["name"], content["pid"], content["started"], content["executable"], stopping)


def _quoted(value: str) -> str:
    """As dotenv files have it; a directory may have a quote in its name."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _replace(path: Path, text: str) -> None:
    """Writes a whole file or none; it holds a password, so only its owner may read it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=PRIVATE_FILE)
    partial.write_text(text)
    partial.rename(path)
