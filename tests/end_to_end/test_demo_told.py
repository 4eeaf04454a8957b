"""`allot demo --no-keep`: the same story again, from the first command to the end of all processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.demo import COMMAND, STARTED_WITHIN_S, environment


@pytest.mark.slow
def test_it_shows_the_tables_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--no-keep"],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=STARTED_WITHIN_S,
    )
    assert done.returncode == 0, done.stderr
    assert "Reconciled to the last digit" in done.stdout
    assert "243,250.50" in done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "embedded.env").exists()
