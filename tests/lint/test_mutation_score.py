"""The score of a mutation run counts what was tried, and fails below the aim."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.process import ROOT


def score(mutants: Path, codes: list[int | None]) -> subprocess.CompletedProcess[str]:
    (mutants / "domain").mkdir(exist_ok=True)
    by_key = {f"domain.money.x_total__mutmut_{n}": code for n, code in enumerate(codes)}
    (mutants / "domain" / "money.py.meta").write_text(json.dumps({"exit_code_by_key": by_key}), encoding="utf-8")
    script = ROOT / "deploy" / "lint" / "mutation_score.py"
    return subprocess.run([sys.executable, str(script), str(mutants)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("codes", "line", "passes"),
    [
        ([1] * 85 + [0] * 15, "all 85 15 0 0 85.0%", True),
        ([1] * 84 + [0] * 16, "all 84 16 0 0 84.0%", False),
        # One without a test is not found; one that never ended is; one that was interrupted was not tried.
        ([1, 3, -24, 33, None, 2, -9], "all 3 0 1 3 75.0%", False),
        ([], "all 0 0 0 0 0.0%", False),
    ],
)
def test_a_score_below_the_aim_fails(tmp_path: Path, codes: list[int | None], line: str, passes: bool) -> None:
    told = score(tmp_path, codes)
    assert told.stdout.splitlines()[-1].split() == line.split()
    assert (told.returncode == 0) is passes
