"""Temporal's development server with its web UI, as a plain process."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from embedded.errors import Missing, StartFailed
from embedded.ports import LOOPBACK, accepts, free_port
from embedded.process import ROOT, Child, launch

PORT, UI_PORT = 7233, 8233
START_WITHIN_S = 60.0
PROBE_WITHIN_S = 10.0
NAMESPACE = "default"
MISSING = (
    "The Temporal CLI is missing: run `make env`, which builds it where Go is there; or install `temporal` "
    "(https://docs.temporal.io/cli), or name its file in TEMPORAL_CLI"
)


def find_program(state_dir: Path) -> Path:
    """TEMPORAL_CLI, else `temporal` on the PATH, else the one that `make env` built."""
    if named := os.environ.get("TEMPORAL_CLI"):
        if not os.access(named, os.X_OK):
            raise Missing(f"TEMPORAL_CLI names {named}, which is not a program that can be run")
        return Path(named).resolve()
    if found := shutil.which("temporal"):
        return Path(found)
    for built in (state_dir / "bin" / "temporal", ROOT / ".allot" / "bin" / "temporal"):
        if os.access(built, os.X_OK):
            return built.resolve()
    raise Missing(MISSING)


class TemporalServer:
    """One server; in memory unless a database file is given."""

    def __init__(self, program: Path, log: Path, database: Path | None = None, *, ui: bool = True) -> None:
        self._program, self.log, self._database, self._ui = program, log, database, ui
        self.port = self.ui_port = 0
        self.child: Child | None = None
        self._lock: IO[str] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def ui_url(self) -> str:
        return f"http://localhost:{self.ui_port}"

    def launch(self, *, preferred_ports: bool = False) -> Child:
        """Starts the server; `wait` returns when it answers."""
        preferred_ports = preferred_ports and self._is_first()
        self.port = free_port(PORT if preferred_ports else None)
        command = [str(self._program), "server", "start-dev", "--ip", LOOPBACK, "--port", str(self.port)]
        if self._ui:
            self.ui_port = free_port(UI_PORT if preferred_ports else None)
            command += ["--ui-port", str(self.ui_port)]
        else:
            command += ["--headless"]
        if self._database is not None:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            command += ["--db-filename", str(self._database)]
        self.child = launch("Temporal", command, self.log, environment=_plain_environment())
        return self.child

    def _is_first(self) -> bool:
        """Whether nobody else starts a server with the preferred ports at this moment: both would find them free."""
        path = Path(tempfile.gettempdir()) / f"allot-{os.getuid()}-{PORT}.lock"
        try:  # the folder is everybody's: no link is followed, and nothing is written
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            self._lock = os.fdopen(opened, "r+")  # held until it serves
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def wait(self) -> None:
        if self.child is None:
            raise StartFailed("Temporal was not launched")
        try:
            self.child.wait_until(self._serves, START_WITHIN_S)
        finally:
            self._let_others_start()

    def start(self) -> None:
        self.launch()
        self.wait()

    def stop(self) -> None:
        self._let_others_start()
        if self.child is not None:
            self.child.stop()

    def _let_others_start(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _serves(self) -> bool:
        """Whether the namespace can be used, which comes a moment after the port is open."""
        if not accepts(self.port):
            return False
        probe = ["operator", "namespace", "describe", NAMESPACE, "--address", self.address]
        try:
            done = subprocess.run(  # noqa: S603 - the command is ours
                [str(self._program), *probe], capture_output=True, timeout=PROBE_WITHIN_S, env=_plain_environment()
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def _plain_environment() -> dict[str, str]:
    """Without TEMPORAL_…: a profile, address or key meant for another server must not reach this one."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
