"""Runs commands in this process, with an environment of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import starter


class Answer(NamedTuple):
    status: int
    out: str
    err: str


type Allot = Callable[..., Answer]


@pytest.fixture
def allot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Allot:
    """`allot("tasks", "--json")`: exit status, stdout and stderr. No server is configured unless the test does it."""
    for name in list(os.environ):
        if name.startswith(("ALLOT_", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALLOT_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("ALLOT_DATABASE_URL", "postgresql://allot@127.0.0.1:1/allot")
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", "127.0.0.1:1")

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["allot", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            starter.main()
        code = end.value.code
        assert isinstance(code, int | None)
        return Answer(code or 0, *capsys.readouterr())

    return run
